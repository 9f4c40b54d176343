import Foundation
import Logging

/// Takes certificates into use that have been renewed on disk, and tells ahead of time that one ends. Clients' connections read the files each
/// time they are opened.
struct CertificateKeeper: Sendable {
    private static let warningDays = 14

    private let files: ServiceConfiguration.TLSFiles
    private let logger: Logger
    private let interval: Duration
    /// Takes the files into use, or throws and leaves all as it was.
    private let reload: @Sendable () throws -> Void
    /// When the certificate in use ends, in seconds since 1970.
    private let certificateEnd: @Sendable () -> Int64?
    private let first: [FileMark?]

    /// To be made as soon as the files have been read.
    init(
        files: ServiceConfiguration.TLSFiles, logger: Logger, interval: Duration = .seconds(5), reload: @escaping @Sendable () throws -> Void,
        certificateEnd: @escaping @Sendable () -> Int64?
    ) {
        self.files = files
        self.logger = logger
        self.interval = interval
        self.reload = reload
        self.certificateEnd = certificateEnd
        first = Self.marks(of: files)
    }

    /// What tells that a file is another than before, also behind a link.
    private struct FileMark: Equatable {
        let modified: Int64, nanoseconds: Int64, size: Int64, number: UInt64

        init?(_ path: String) {
            var info = stat()
            guard stat(path, &info) == 0 else { return nil }
            (modified, nanoseconds) = (Int64(info.st_mtim.tv_sec), Int64(info.st_mtim.tv_nsec))
            (size, number) = (Int64(info.st_size), UInt64(info.st_ino))
        }
    }

    private static func marks(of files: ServiceConfiguration.TLSFiles) -> [FileMark?] {
        [files.certificateFile, files.keyFile, files.trustFile].map { FileMark($0) }
    }

    /// Until cancelled.
    func run() async {
        var used = first
        var refused: [FileMark?]?
        warn()
        var warnedAt = ContinuousClock.now
        while (try? await Task.sleep(for: interval)) != nil {
            if warnedAt.duration(to: .now) > .seconds(86_400) {
                warn()
                warnedAt = .now
            }
            let found = Self.marks(of: files)
            guard found != used else { continue }
            do {
                try reload()
                used = found
                logger.info("certificates were read anew", metadata: ["end": "\(end)"])
                warn()
            } catch {
                // Perhaps one of them has been written and the others not yet.
                if refused != found { logger.warning("new certificates cannot be used; the former stay", metadata: ["reason": "\(error)"]) }
                refused = found
            }
        }
    }

    private var end: String {
        certificateEnd().map { Date(timeIntervalSince1970: TimeInterval($0)).formatted(.iso8601) } ?? "unknown"
    }

    private func warn() {
        guard let seconds = certificateEnd(), Double(seconds) < Date().timeIntervalSince1970 + Double(Self.warningDays * 86_400) else { return }
        logger.warning("the certificate ends soon", metadata: ["end": "\(end)", "file": "\(files.certificateFile)"])
    }
}
