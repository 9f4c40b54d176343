import CPNG

/// Encodes a picture as PNG with libpng: one byte a pixel, and a palette.
enum PNGEncoder {
    /// Nil only when libpng refuses the size or is out of memory.
    static func encode(_ image: HeatImage) -> [UInt8]? {
        var header = png_image()
        header.version = png_uint_32(PNG_IMAGE_VERSION)
        header.width = png_uint_32(image.width)
        header.height = png_uint_32(image.height)
        header.format = png_uint_32(PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA | PNG_FORMAT_FLAG_COLORMAP)
        header.colormap_entries = png_uint_32(Palette.steps)
        // Speed before size: tiles are made on demand.
        header.flags = png_uint_32(PNG_IMAGE_FLAG_FAST)
        defer { png_image_free(&header) }
        let colours = image.palette.table()
        return image.pixels.withUnsafeBytes { pixels -> [UInt8]? in
            var size = png_alloc_size_t(pixels.count + pixels.count / 8 + 4096)
            while true {
                let capacity = size
                var written = false
                let encoded = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                    written = png_image_write_to_memory(&header, buffer.baseAddress, &size, 0, pixels.baseAddress, 0, colours) != 0
                    count = written ? size : 0
                }
                if written { return encoded }
                // When the buffer was too small, libpng says how much it needs.
                guard size > capacity else { return nil }
            }
        }
    }
}
