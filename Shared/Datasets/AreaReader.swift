import Geo
import Records

extension FieldReader {
    /// The rings of an area in GeoJSON, a polygon's or those of several: by the even-odd rule they say the same together.
    func rings(_ plan: FieldPlan?) -> [[Coordinate]] {
        guard let plan, let bytes = document(plan) else {
            missing(plan)
            return []
        }
        do {
            let features = try GeoJSON.read(Array(bytes)).features
            guard features.count == 1, let area = features[0].geometry?.area else {
                reject(plan, value: "", "is no Polygon or MultiPolygon of GeoJSON (RFC 7946)")
                return []
            }
            try area.checkRings()
            return area.polygons.flatMap(\.rings).map { ring in
                ring.map { Coordinate(latitude: $0.latitude, longitude: $0.longitude) }
            }
        } catch {
            reject(plan, value: "", "\(error)")
            return []
        }
    }
}
