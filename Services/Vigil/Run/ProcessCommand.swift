#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A program to be started: what, with what, as whom, and where its words go.
struct ProcessCommand {
    enum Output {
        /// Where the launcher writes.
        case inherited
        /// Appended to a file, made 0600 if missing.
        case file(String)
    }

    enum Input {
        case nothing
        /// At most 32 KiB, which a pipe holds without a reader.
        case text(String)
        /// A pipe whose other end only the launcher holds, closed by the kernel when the launcher dies.
        case lifeline
    }

    /// What the kernel sends the child when the launcher dies without a word.
    enum DeathSignal: String {
        case interrupt = "INT"
        case kill = "KILL"
    }

    var executable: String
    var arguments: [String] = []
    var environment: [String: String] = [:]
    var directory: String?
    /// Another user to become, for programs that refuse to run as root.
    var user: String?
    var output: Output = .inherited
    var deathSignal = DeathSignal.kill
    /// Apart from the terminal's foreground group, so that Ctrl-C reaches the launcher only.
    var ownGroup = true
    var input = Input.nothing
}

/// A started child.
struct StartedProcess {
    let pid: pid_t
    /// The launcher's end of the child's standard input, to be closed when the child is gone; -1 if there is none.
    let lifeline: Int32
}

extension ProcessCommand {
    private static let setpriv = "/usr/bin/setpriv"

    /// The command as it is run: behind `env`, which changes the folder, and `setpriv` where there is one, which arms the
    /// death signal and changes the user. Each replaces itself by the next, so the process id stays.
    private var commandLine: [String] {
        var line: [String] = []
        if let directory { line += ["/usr/bin/env", "--chdir=\(directory)"] }
        if access(Self.setpriv, X_OK) == 0 {
            line += [Self.setpriv, "--pdeathsig", deathSignal.rawValue]
            if let user { line += ["--reuid", user, "--regid", user, "--init-groups"] }
            line.append("--")
        }
        return line + [executable] + arguments
    }

    func start() throws(LaunchError) -> StartedProcess {
        let input = try openInput()
        defer { close(input.child) }
        #if canImport(Glibc)
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #else
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input.child, 0)
        if case .file(let path) = output {
            posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        setAttributes(&attributes)

        var pid: pid_t = 0
        let line = commandLine
        let environment = environment.map { "\($0.key)=\($0.value)" }.sorted()
        let failure = withCStrings(line) { argv in
            withCStrings(environment) { envp in posix_spawn(&pid, line[0], &actions, &attributes, argv, envp) }
        }
        guard failure == 0 else {
            if input.launcher >= 0 { close(input.launcher) }
            throw LaunchError("cannot start \(executable): \(String(cString: strerror(failure)))")
        }
        return StartedProcess(pid: pid, lifeline: input.launcher)
    }

    #if canImport(Glibc)
    typealias Attributes = posix_spawnattr_t
    #else
    typealias Attributes = posix_spawnattr_t?
    #endif

    /// A clean signal state, whatever the launcher has done to its own.
    private func setAttributes(_ attributes: inout Attributes) {
        var nothing = sigset_t()
        sigemptyset(&nothing)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        if ownGroup {
            flags |= Int32(POSIX_SPAWN_SETPGROUP)
            posix_spawnattr_setpgroup(&attributes, 0)
        }
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// The child's standard input and, for a lifeline, the end that stays here. Both close on exec elsewhere.
    private func openInput() throws(LaunchError) -> (child: Int32, launcher: Int32) {
        if case .nothing = input {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw LaunchError("cannot open /dev/null: \(systemErrorText())") }
            return (descriptor, -1)
        }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LaunchError("cannot make a pipe: \(systemErrorText())") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        guard case .text(let text) = input else { return (ends[0], ends[1]) }
        let bytes = Array(text.utf8)
        precondition(bytes.count <= 32_768, "more text than a pipe holds")
        _ = write(ends[1], bytes, bytes.count)
        close(ends[1])
        return (ends[0], -1)
    }
}

/// The strings as a NULL-terminated array of C strings, for the time of the call.
private func withCStrings<R>(_ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R) -> R {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array ends in a null pointer, so it is not empty") }
        return body(base)
    }
}

/// How a process ended.
enum ProcessEnd: Equatable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)

    /// From what `waitpid` says (POSIX wait status layout shared by Linux and macOS).
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
    }

    var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }
}
