#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Where the handler writes. Set before a handler is installed, by the thread that then waits, and only read by handlers.
private nonisolated(unsafe) var inboxWriteEnd: Int32 = -1

/// Signals as bytes in a pipe, so that one thread can wait for them and for the time together.
final class SignalInbox {
    private let readEnd: Int32

    /// Takes over these signals for the whole process.
    init(_ signals: [Int32]) throws(LaunchError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LaunchError("cannot make a pipe: \(systemErrorText())") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        readEnd = ends[0]
        inboxWriteEnd = ends[1]
        for signal in signals { Self.install(signal) }
        // Who started this process may have blocked signals on the thread it did so from, and a mask is inherited.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }

    private static func install(_ number: Int32) {
        var action = sigaction()
        sigemptyset(&action.sa_mask)
        action.sa_flags = SA_RESTART
        let handler: @convention(c) (Int32) -> Void = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            // A full pipe already wakes the reader, who then looks at all children.
            _ = write(inboxWriteEnd, &byte, 1)
            errno = saved
        }
        #if canImport(Glibc)
        action.__sigaction_handler.sa_handler = handler
        #else
        action.__sigaction_u.__sa_handler = handler
        #endif
        sigaction(number, &action, nil)
    }

    /// Waits until a signal came or the time is over, and returns what came.
    func wait(atMost limit: Duration) -> [Int32] {
        let (seconds, attoseconds) = limit.components
        let milliseconds = min(max(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1, 0), 60_000)
        var descriptor = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, limit <= .zero ? 0 : Int32(milliseconds)) > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(readEnd, &bytes, bytes.count)
        return count > 0 ? bytes[..<count].map(Int32.init) : []
    }
}

/// What the last failed system call says.
func systemErrorText() -> String { String(cString: strerror(errno)) }
