import Foundation
import Synchronization

/// Keeps two imports from writing the same files, rejects and checkpoint or what sources are known to have: a lock on a file beside them,
/// which the system takes away from a process that dies.
final class ImportLock: Sendable {
    private let path: String
    private let descriptor: Mutex<Int32>

    /// - Parameters:
    ///   - file: what is written under the lock.
    ///   - waits: until another import has done with it.
    /// - Throws: when another import has it, and this one does not wait.
    init(path file: String, waits: Bool = false) throws {
        path = file + ".lock"
        while true {
            let opened = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
            // Where nobody may write there is nothing to protect.
            if opened < 0, [EACCES, EPERM, EROFS].contains(errno) {
                descriptor = Mutex(-1)
                return
            }
            guard opened >= 0 else {
                throw SuiteConnection.Problem(description: "cannot write to \(path): \(String(cString: strerror(errno)))")
            }
            guard flock(opened, waits ? LOCK_EX : LOCK_EX | LOCK_NB) == 0 else {
                defer { close(opened) }
                var bytes = [UInt8](repeating: 0, count: 32)
                let count = max(0, read(opened, &bytes, bytes.count))
                let owner = String(decoding: bytes.prefix(count), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
                throw SuiteConnection.Problem(
                    description: "another import\(owner.isEmpty ? "" : ", process \(owner),") writes \(file) and its checkpoint; "
                        + "wait for it, or give this one a place of its own with --rejects")
            }
            // Whoever had it may have removed the file between our opening and our locking it: then it locks nothing.
            var (own, there) = (stat(), stat())
            if fstat(opened, &own) == 0, stat(path, &there) == 0, own.st_ino == there.st_ino {
                let text = "\(ProcessInfo.processInfo.processIdentifier)\n"
                ftruncate(opened, 0)
                _ = text.withCString { write(opened, $0, strlen($0)) }
                descriptor = Mutex(opened)
                return
            }
            close(opened)
        }
    }

    /// Once is enough; also done by `deinit`.
    func release() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            unlink(path)
            close(descriptor)
            descriptor = -1
        }
    }

    deinit { release() }
}
