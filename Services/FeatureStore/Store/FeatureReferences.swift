import Postgres
import Records

extension FeatureStoreDatabase {
    /// What drift is measured against; nil where nobody has said.
    func reference(version: String) async throws -> FeatureReference? {
        let rows = try await pool.query(
            """
            SELECT feature, from_time, to_time, observations, null_rate, edges, shares
            FROM feature_references WHERE feature_set_version = \(version)
            """)
        var features: [FeatureReference.Feature] = []
        var span: (from: PostgresTimestamp?, to: PostgresTimestamp?, observations: Int64) = (nil, nil, 0)
        for row in rows {
            let (name, from, to, observations, nullRate, edges, shares) = try row.decode(
                String.self, PostgresTimestamp?.self, PostgresTimestamp?.self, Int64.self, Double.self, [Double].self, [Double].self)
            features.append(.init(name: name, nullRate: nullRate, edges: edges, shares: shares))
            span = (from, to, observations)
        }
        guard !features.isEmpty else { return nil }
        return FeatureReference(
            from: span.from.map { Timestamp(microseconds: $0.microsecondsSince1970) },
            to: span.to.map { Timestamp(microseconds: $0.microsecondsSince1970) }, observations: Int(span.observations),
            features: features)
    }

    /// Takes the place of the reference of the same feature set.
    func setReference(_ reference: FeatureReference, version: String) async throws {
        let from = reference.from.map { PostgresTimestamp(microsecondsSince1970: $0.microseconds) }
        let to = reference.to.map { PostgresTimestamp(microsecondsSince1970: $0.microseconds) }
        try await pool.withTransaction { transaction in
            try await transaction.execute("DELETE FROM feature_references WHERE feature_set_version = \(version)")
            _ = try await transaction.pipeline(
                reference.features.map { feature in
                    """
                    INSERT INTO feature_references
                        (feature_set_version, feature, from_time, to_time, observations, null_rate, edges, shares)
                    VALUES
                        (\(version), \(feature.name), \(from), \(to), \(Int64(reference.observations)), \(feature.nullRate),
                        \(feature.edges), \(feature.shares))
                    """
                })
        }
    }
}
