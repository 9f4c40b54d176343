"""Decodes a folder of vector tiles with mapbox-vector-tile and prints what is in them.

    decode_tiles.py FOLDER

Each file is called NAME.mvt; the answer is {NAME: {LAYER: [[x, y, count, kind of geometry], ...]}}, with x and y the
feature's north-westmost corner in tile units from the tile's north-west, as the specification counts them.
"""
import json
import pathlib
import sys

import mapbox_vector_tile

answer = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.mvt")):
    tile = mapbox_vector_tile.decode(path.read_bytes(), default_options={"y_coord_down": True})
    layers = {}
    for name, layer in tile.items():
        assert layer["version"] == 2 and layer["extent"] == 4096, (path.name, layer["version"], layer["extent"])
        features = []
        for feature in layer["features"]:
            geometry = feature["geometry"]
            points = [geometry["coordinates"]] if geometry["type"] == "Point" else geometry["coordinates"][0]
            features.append([
                min(point[0] for point in points), min(point[1] for point in points), feature["properties"]["count"],
                geometry["type"],
            ])
        layers[name] = features
    answer[path.stem] = layers
json.dump(answer, sys.stdout)
