import Foundation
public import Postgres

/// Copies a database as a backup does: dumped from one server and restored into another, whose transaction numbers are its own.
public func restore(_ database: PostgresConfiguration, into empty: PostgresConfiguration) throws {
    let copy = Process()
    copy.executableURL = URL(fileURLWithPath: "/bin/sh")
    let script = #"pg_dump --format custom --dbname "$1" | pg_restore --exit-on-error --no-owner --dbname "$2""#
    copy.arguments = ["-c", script, "restore", database.url, empty.url]
    let errors = Pipe()
    copy.standardError = errors
    try copy.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    copy.waitUntilExit()
    guard copy.terminationStatus == 0 else { throw PostgresError(.unavailable, "the dump was not restored: \(text)") }
}
