import Foundation

/// Keeps what becomes of the children: a line in `launcher.log`, a file with the process id, and a line for the operator
/// when one of them died.
struct Journal {
    let home: SuiteHome

    func report(_ event: Supervisor.Event) {
        switch event {
        case .started(let name, let pid, let restarts):
            try? SuiteHome.write(Array("\(pid)\n".utf8), to: home.processIDFile(name))
            log("\(name) started as process \(pid)\(restarts > 0 ? ", restart \(restarts)" : "")")
            if restarts > 0 { print("  \(name) was started again (process \(pid))") }
        case .ended(let name, let end):
            unlink(home.processIDFile(name))
            log("\(name) ended: \(end)")
        case .failedToStart(let name, let reason):
            log("\(name) could not be started: \(reason)")
        }
        fflush(nil)
    }

    private func log(_ text: String) {
        guard let file = fopen(home.log("launcher"), "ae") else { return }
        fputs("\(Date().formatted(.iso8601)) \(text)\n", file)
        fclose(file)
    }
}
