/// The plugin's parameter: `import=Module` for the module that holds whatever is not generated here, `services=true`,
/// `c_module=Module` for the module of protoc-c's output.
struct GeneratorOptions {
    var cModule = "CContracts"
    /// Modules whose types this one uses, with the files that they hold.
    var importedModules: [(module: String, files: Set<String>)] = []
    var generatesServices = false

    init(parameter: String, files: [String], generated: Set<String>) throws {
        for option in parameter.split(separator: ",") {
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            switch (parts.first, parts.last) {
            case ("services", "true"): generatesServices = true
            case ("services", "false"): generatesServices = false
            case ("import", let module?) where parts.count == 2:
                // Whatever is not generated here is in the other module.
                importedModules.append((module, Set(files).subtracting(generated)))
            case ("c_module", let module?) where parts.count == 2: cModule = module
            default:
                throw GeneratorError(
                    message: "unknown option \(option); known are c_module=<module>, import=<module> and services=<true or false>")
            }
        }
    }
}
