internal import Synchronization

/// Tells the Thread Sanitizer of locks that it cannot see. A thread that has to wait for a `Mutex` does so inside Swift's own library,
/// which is not built for the sanitizer; what the lock guards would be taken for unguarded. Does nothing in any other build.
enum ThreadSanitizer {
    @inline(__always)
    static func acquired(_ lock: AnyObject) {
        #if THREAD_SANITIZER
        acquire(Unmanaged.passUnretained(lock).toOpaque())
        #endif
    }

    @inline(__always)
    static func released(_ lock: AnyObject) {
        #if THREAD_SANITIZER
        release(Unmanaged.passUnretained(lock).toOpaque())
        #endif
    }
}

extension Mutex where Value: Sendable {
    /// Runs `body` under a lock that is its owner's only one, and tells the Thread Sanitizer of it.
    @inline(__always)
    func withLock<R: Sendable>(of owner: AnyObject, _ body: (inout Value) -> R) -> R {
        withLock { value in
            ThreadSanitizer.acquired(owner)
            defer { ThreadSanitizer.released(owner) }
            return body(&value)
        }
    }
}

#if THREAD_SANITIZER
@_silgen_name("__tsan_acquire") private func acquire(_ address: UnsafeMutableRawPointer)
@_silgen_name("__tsan_release") private func release(_ address: UnsafeMutableRawPointer)
#endif
