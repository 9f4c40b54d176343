/// Colours from cold to hot. All run evenly in lightness, so they can be told apart in grey and with any colour blindness.
enum Palette: String, Sendable, Hashable, CaseIterable {
    /// From deep violet over red and orange to a pale yellow: for dark maps.
    case dark
    /// From a pale yellow over orange and red to deep violet: for light maps.
    case light
    /// From deep blue over green to a pale yellow, for what is only expected: for dark maps.
    case darkCold = "dark-cold"
    /// The same for light maps, from pale to deep.
    case lightCold = "light-cold"

    /// Colours at even distances from cold to hot, as 0xRRGGBB.
    var stops: [UInt32] {
        let warm: [UInt32] = [0x2B0B57, 0x63117A, 0x9C2476, 0xD13F5C, 0xF26B3A, 0xFBA423, 0xFCE38A]
        let cold: [UInt32] = [0x0B1F4B, 0x0F3F73, 0x116390, 0x1B899B, 0x3FAE9F, 0x86D0A6, 0xD6F0B4]
        return switch self {
        case .dark: warm
        case .light: warm.reversed()
        case .darkCold: cold
        case .lightCold: cold.reversed()
        }
    }

    static let steps = 256

    /// ``steps`` colours as red, green, blue, alpha (not premultiplied); the first is transparent.
    func table() -> [UInt8] {
        let stops = stops
        return (0..<Self.steps).flatMap { step -> [UInt8] in
            let heat = Double(step) / Double(Self.steps - 1)
            let place = heat * Double(stops.count - 1)
            let index = min(stops.count - 2, Int(place))
            let part = place - Double(index)
            let colour = [16, 8, 0].map { shift -> UInt8 in
                let from = Double(stops[index] >> UInt32(shift) & 0xFF), to = Double(stops[index + 1] >> UInt32(shift) & 0xFF)
                return UInt8((from + (to - from) * part).rounded())
            }
            // Fades in without an edge, then stays a little transparent so that the map shows through.
            let rise = min(1, heat / 0.35)
            let alpha = rise * rise * (3 - 2 * rise) * 0.85
            return colour + [UInt8((alpha * 255).rounded())]
        }
    }
}
