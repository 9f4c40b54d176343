import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Says what went wrong in words, where Foundation's errors would print their domains and codes.
func plainly(_ error: any Error) -> String {
    let system = error as NSError
    // Of this one Foundation has a number and no words.
    if system.domain == NSURLErrorDomain, system.code == NSURLErrorTimedOut { return "no answer in time" }
    switch error {
    case let error as URLError: return error.localizedDescription
    case let error as CocoaError: return reason(of: error as NSError) ?? error.localizedDescription
    case let error as POSIXError: return String(cString: strerror(error.code.rawValue))
    default:
        guard type(of: error) is NSError.Type else { return "\(error)" }
        let error = error as NSError
        return reason(of: error) ?? error.localizedDescription
    }
}

/// An address, or a text with addresses, in which no password stands.
func withoutPassword(_ text: String) -> String { text.replacing(#/:\/\/([^:\/@\s]*):[^@\/\s]*@/#) { "://\($0.1)@" } }

/// What Foundation says of a file, in words and with the file's name; nil for errors that speak for themselves.
func plainFault(_ error: any Error) -> String? {
    guard error is CocoaError || type(of: error) is NSError.Type else { return nil }
    let path = (error as NSError).userInfo[NSFilePathErrorKey] as? String
    return [path, plainly(error)].compactMap(\.self).joined(separator: ": ")
}

/// The system's own word for it, which says more than Foundation's: no space left on device.
private func reason(of error: NSError) -> String? {
    if error.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(error.code))) }
    return (error.userInfo[NSUnderlyingErrorKey] as? NSError).flatMap(reason)
}

/// Runs `body`; what it throws comes as "cannot WHAT: why".
func orPlainly<R>(_ what: String, _ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch {
        throw SuiteConnection.Problem(description: "cannot \(what): \(plainly(error))")
    }
}
