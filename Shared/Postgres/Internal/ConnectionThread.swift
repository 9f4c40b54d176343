#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A thread that runs one connection's jobs, so that waiting for the server in `poll` holds up nobody else.
///
/// `@unchecked Sendable`: `jobs` and `isStopped` are touched only with `mutex` held; the pointers never change.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [UnownedJob] = []
    private var isStopped = false

    /// Throws `.unavailable` when the system gives no more threads.
    static func start() throws(PostgresError) -> ConnectionThread {
        let thread = ConnectionThread()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        #if canImport(Darwin)
        var handle: pthread_t?
        #else
        var handle = pthread_t()
        #endif
        let retained = Unmanaged.passRetained(thread)
        let status = pthread_create(&handle, &attributes, connectionThreadMain, retained.toOpaque())
        guard status == 0 else {
            retained.release()
            throw PostgresError(.unavailable, "no thread for a connection: \(String(cString: strerror(status)))")
        }
        return thread
    }

    private static let stackBytes = 1 << 20

    private init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        // The connection stops its thread from `deinit`, when no call to it can come any more.
        precondition(!isStopped, "a job for a connection that is gone")
        jobs.append(job)
        pthread_mutex_unlock(mutex)
        // Not before: the thread would wake up only to wait for the mutex.
        pthread_cond_signal(condition)
    }

    /// Ends the thread after the jobs that it has.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    fileprivate func run() {
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty && !isStopped {
                pthread_cond_wait(condition, mutex)
            }
            let batch = jobs
            jobs.removeAll(keepingCapacity: true)
            pthread_mutex_unlock(mutex)
            if batch.isEmpty { return }
            for job in batch {
                job.runSynchronously(on: asUnownedSerialExecutor())
            }
        }
    }
}

#if canImport(Darwin)
private func connectionThreadMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    Unmanaged<ConnectionThread>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
#else
private func connectionThreadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { Unmanaged<ConnectionThread>.fromOpaque(argument).takeRetainedValue().run() }
    return nil
}
#endif

/// Wakes a connection's thread out of `poll`: a pipe whose reading end the thread polls beside the server's socket.
final class WakePipe: Sendable {
    let readDescriptor: Int32
    private let writeDescriptor: Int32

    init() throws(PostgresError) {
        var descriptors: [Int32] = [-1, -1]
        guard pipe(&descriptors) == 0 else {
            throw PostgresError(.unavailable, "no pipe for a connection: \(String(cString: strerror(errno)))")
        }
        for descriptor in descriptors {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        }
        (readDescriptor, writeDescriptor) = (descriptors[0], descriptors[1])
    }

    deinit {
        close(readDescriptor)
        close(writeDescriptor)
    }

    func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes as well.
        _ = write(writeDescriptor, &byte, 1)
    }

    func drain() {
        var bytes: (UInt64, UInt64) = (0, 0)
        while read(readDescriptor, &bytes, 16) > 0 {}
    }
}
