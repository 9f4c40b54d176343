/// The mappings of this folder, by name, embedded so that an executable carries them wherever it is installed.
public enum ShippedMappings {
    /// YAML text by name without the ending.
    public static let all: [String: String] = [
        "exported-features": PackageResources.exported_features_yaml,
        "handbook-customers": PackageResources.handbook_customers_yaml,
        "handbook-labels": PackageResources.handbook_labels_yaml,
        "handbook-terminals": PackageResources.handbook_terminals_yaml,
        "handbook-transactions": PackageResources.handbook_transactions_yaml,
        "houston-crimes": PackageResources.houston_crimes_yaml,
        "iso20022-pacs002": PackageResources.iso20022_pacs002_yaml,
        "iso20022-pacs008": PackageResources.iso20022_pacs008_yaml,
        "iso20022-pain001": PackageResources.iso20022_pain001_yaml,
        "newyork-atms": PackageResources.newyork_atms_yaml,
        "simulated-atms": PackageResources.simulated_atms_yaml,
        "simulated-complaints": PackageResources.simulated_complaints_yaml,
        "simulated-jurisdictions": PackageResources.simulated_jurisdictions_yaml,
        "simulated-labels": PackageResources.simulated_labels_yaml,
        "simulated-transactions": PackageResources.simulated_transactions_yaml,
    ].mapValues { String(decoding: $0, as: UTF8.self) }
}
