import Foundation

/// A line or bar plot as inline SVG: no script, no font, nothing to fetch.
struct Plot {
    struct Series {
        var name: String
        /// In the units of the axes.
        var points: [(x: Double, y: Double)]
        /// Bars from the axis instead of a line.
        var isBars = false
        var isDashed = false
        /// A dot at each point instead of a line.
        var isMarks = false
    }

    var title: String
    var xLabel: String
    var yLabel: String
    var xRange: ClosedRange<Double> = 0...1
    var yRange: ClosedRange<Double> = 0...1
    /// What stands at a value of the x axis; a number unless given.
    var xTick: ((Double) -> String)?
    var series: [Series]

    private static let width = 460.0
    private static let height = 300.0
    private static let margin = (left: 68.0, right: 34.0, top: 30.0, bottom: 46.0)
    /// What fits above the plot.
    private static let maxTitle = 44
    private static let colours = ["#1f5fa8", "#c8102e", "#3a8f5c", "#8a6d00"]
    /// More points than pixels say nothing.
    private static let maxPoints = 600

    var svg: String {
        var parts = [
            """
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(HTML.escaped(title))">
            <title>\(HTML.escaped(title))</title>
            <text x="\(Self.margin.left)" y="18" class="title">\(HTML.escaped(Self.shortened(title)))</text>
            """
        ]
        parts += axis(xRange).map { value in
            let at = x(value)
            return """
                <line x1="\(at)" y1="\(y(yRange.lowerBound))" x2="\(at)" y2="\(top)" class="grid"/>\
                <text x="\(at)" y="\(Self.height - 28)" text-anchor="middle">\(HTML.escaped(xTick?(value) ?? Self.tick(value)))</text>
                """
        }
        parts += axis(yRange).map { value in
            let at = y(value)
            return """
                <line x1="\(Self.margin.left)" y1="\(at)" x2="\(Self.width - Self.margin.right)" y2="\(at)" class="grid"/>\
                <text x="\(Self.margin.left - 6)" y="\(Self.rounded(at + 4))" text-anchor="end">\(Self.tick(value))</text>
                """
        }
        parts.append(
            """
            <text x="\(Self.width / 2)" y="\(Self.height - 8)" text-anchor="middle">\(HTML.escaped(xLabel))</text>\
            <text transform="translate(13 \(Self.height / 2)) rotate(-90)" text-anchor="middle">\(HTML.escaped(yLabel))</text>
            """)
        for (index, one) in series.enumerated() { parts.append(draw(one, colour: Self.colours[index % Self.colours.count])) }
        if hasLegend {
            let names = series.enumerated().map { index, one in
                """
                <tspan dx="\(index == 0 ? 0 : 14)" style="fill: \(Self.colours[index % Self.colours.count])">\(HTML.escaped(one.name))</tspan>
                """
            }
            parts.append("<text x=\"\(Self.margin.left)\" y=\"35\">\(names.joined())</text>")
        }
        return parts.joined(separator: "\n") + "\n</svg>"
    }

    private var hasLegend: Bool { series.count > 1 }

    /// Where the plot begins: below the names of the series, which stand on a line of their own.
    private var top: Double { Self.margin.top + (hasLegend ? 14 : 0) }

    /// The beginning and the end of a long title; its whole is the picture's name.
    private static func shortened(_ title: String) -> String {
        title.count <= maxTitle ? title : "\(title.prefix(maxTitle / 2 - 1))…\(title.suffix(maxTitle / 2))"
    }

    private func draw(_ series: Series, colour: String) -> String {
        let inside = series.points.filter { $0.x.isFinite && $0.y.isFinite }
        if series.isBars {
            let room = (Self.width - Self.margin.left - Self.margin.right) / Double(max(1, inside.count))
            let apart = zip(inside, inside.dropFirst()).map { x($1.x) - x($0.x) }.filter { $0 > 0 }.min() ?? room
            let bar = min(room, apart) * 0.8
            return inside.map { point in
                let top = y(point.y)
                return """
                    <rect x="\(Self.rounded(x(point.x) - bar / 2))" y="\(top)" width="\(Self.rounded(bar))" \
                    height="\(Self.rounded(max(0, y(yRange.lowerBound) - top)))" fill="\(colour)" fill-opacity="0.45"/>
                    """
            }.joined()
        }
        if series.isMarks {
            return inside.map { "<circle cx=\"\(x($0.x))\" cy=\"\(y($0.y))\" r=\"3.5\" fill=\"\(colour)\"/>" }.joined()
        }
        let step = max(1, inside.count / Self.maxPoints)
        var kept = stride(from: 0, to: inside.count, by: step).map { inside[$0] }
        if let last = inside.last { kept.append(last) }
        let path = kept.map { "\(x($0.x)),\(y($0.y))" }.joined(separator: " ")
        return """
            <polyline points="\(path)" fill="none" stroke="\(colour)" stroke-width="\(series.isDashed ? 1 : 2)"\
            \(series.isDashed ? " stroke-dasharray=\"4 4\"" : "")/>
            """
    }

    private func x(_ value: Double) -> Double {
        let share = (min(max(value, xRange.lowerBound), xRange.upperBound) - xRange.lowerBound) / (xRange.upperBound - xRange.lowerBound)
        return Self.rounded(Self.margin.left + share * (Self.width - Self.margin.left - Self.margin.right))
    }

    private func y(_ value: Double) -> Double {
        let share = (min(max(value, yRange.lowerBound), yRange.upperBound) - yRange.lowerBound) / (yRange.upperBound - yRange.lowerBound)
        return Self.rounded(Self.height - Self.margin.bottom - share * (Self.height - top - Self.margin.bottom))
    }

    private func axis(_ range: ClosedRange<Double>) -> [Double] {
        (0...4).map { range.lowerBound + (range.upperBound - range.lowerBound) * Double($0) / 4 }
    }

    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    static func tick(_ value: Double) -> String {
        for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e5, "k")] where value.magnitude >= unit {
            return value.magnitude >= 1e15 ? String(format: "%.1e", value) : String(format: "%.4g", value / (name == "k" ? 1e3 : unit)) + name
        }
        let digits = value.magnitude >= 10 || value == value.rounded() ? 0 : value.magnitude >= 0.1 ? 2 : 4
        return String(format: "%.\(digits)f", value)
    }
}

enum HTML {
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }

    /// A page that fetches nothing.
    static func page(title: String, body: String) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(title))</title>
        <style>
        body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; background: #fff; }
        body { max-width: 61rem; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
        table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #d8dee4; }
        td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
        .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1rem; }
        svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #42505c; }
        svg .title { font-size: 13px; font-weight: 600; fill: #1b2733; } svg .grid { stroke: #e4e9ee; stroke-width: 1; }
        </style></head><body>
        \(body)
        </body></html>

        """
    }

    /// - Parameter rows: the first is the head; all but the first cell are numbers, to the right.
    static func table(_ rows: [[String]]) -> String {
        rows.enumerated().map { index, row in
            let tag = index == 0 ? "th" : "td"
            return "<tr>" + row.enumerated().map { "<\(tag)\($0 == 0 ? "" : " class=\"n\"")>\(escaped($1))</\(tag)>" }.joined() + "</tr>"
        }.reduce("<table>") { $0 + "\n" + $1 } + "\n</table>"
    }
}
