import Foundation
import Identity

/// The principals file: who can get a token, and what for. It is the whole truth; a principal that it no longer names is disabled.
///
/// ```json
/// {"principals": [
///     {"subject": "first-bank", "kind": "bank", "secretFile": "first-bank.secret", "roles": ["bank"], "bankID": "FIRST"},
///     {"subject": "analyst", "kind": "user", "secretFile": "analyst.password", "roles": ["analyst"], "jurisdictions": ["north"]}
/// ]}
/// ```
/// A key that is not known is refused.
/// `secretFile` is relative to the file's own folder; `secret` holds the secret itself, for a file that only its owner can read.
struct PrincipalsFile: Sendable {
    struct FileError: Error, CustomStringConvertible {
        let description: String
    }

    struct Entry: Sendable, Hashable {
        var subject: String
        var kind: Principal.Kind
        var secret: String
        var bankID: String?
        var roles: [String]
        var scopes: [String]
        var jurisdictions: [String]
    }

    let entries: [Entry]

    private struct Document: Decodable {
        struct Entry: Decodable {
            enum CodingKeys: String, CodingKey, CaseIterable {
                case subject, kind, secret, secretFile, bankID, roles, scopes, jurisdictions
            }

            var subject: String
            var kind: Principal.Kind
            var secret: String?
            var secretFile: String?
            var bankID: String?
            var roles: [String]?
            var scopes: [String]?
            var jurisdictions: [String]?
        }

        var principals: [Entry]
    }

    /// - Throws: ``FileError`` that names the principal and what is wrong, never a secret.
    init(path: String) throws {
        let document: Document
        do {
            let json = try Data(contentsOf: URL(fileURLWithPath: path))
            document = try JSONDecoder().decode(Document.self, from: json)
            try Self.refuseUnknownKeys(json)
        } catch let error as FileError {
            throw FileError(description: "\(path): \(error)")
        } catch let error as DecodingError {
            throw FileError(description: "\(path): \(Self.describe(error))")
        } catch {
            throw FileError(description: "\(path) cannot be read")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        entries = try document.principals.map { try Self.check($0, folder: folder) }
        var seen: Set<String> = []
        for entry in entries where !seen.insert(entry.subject).inserted {
            throw FileError(description: "principal \(entry.subject) is named twice")
        }
    }

    /// A limit that is misspelt would be none.
    private static func refuseUnknownKeys(_ json: Data) throws {
        guard let document = try JSONSerialization.jsonObject(with: json) as? [String: Any] else { return }
        if let key = document.keys.filter({ $0 != "principals" }).min() { throw FileError(description: "there is no key \(key), only principals") }
        let known = Document.Entry.CodingKeys.allCases.map(\.rawValue)
        for entry in document["principals"] as? [[String: Any]] ?? [] {
            guard let key = entry.keys.filter({ !known.contains($0) }).min() else { continue }
            func likeness(_ other: String) -> Int { key.lowercased().commonPrefix(with: other.lowercased()).count }
            let near = known.max { likeness($0) < likeness($1) }.flatMap { likeness($0) >= 3 ? $0 : nil }
            let hint = near.map { "did you mean \($0)?" } ?? "there are \(known.joined(separator: ", "))"
            throw FileError(description: "principal \(entry["subject"] as? String ?? ""): there is no key \(key); \(hint)")
        }
    }

    private static func check(_ entry: Document.Entry, folder: URL) throws -> Entry {
        let name = entry.subject
        guard !name.isEmpty, name.utf8.count <= 200, !name.contains(where: { $0.isWhitespace || $0 == ":" }) else {
            throw FileError(description: "principal \(name): a subject is 1 to 200 characters without spaces and colons")
        }
        for role in entry.roles ?? [] where Role(rawValue: role) == nil {
            throw FileError(description: "principal \(name): there is no role \(role)")
        }
        for scope in entry.scopes ?? [] where !Scope.all.contains(scope) {
            throw FileError(description: "principal \(name): there is no scope \(scope)")
        }
        if entry.kind == .bank, (entry.bankID ?? "").isEmpty { throw FileError(description: "principal \(name): a bank needs a bankID") }
        let secret = try secret(of: entry, folder: folder)
        guard secret.utf8.count >= 12 else { throw FileError(description: "principal \(name): a secret has at least 12 characters") }
        guard secret.utf8.count <= SecretHash.maxSecretBytes else {
            throw FileError(description: "principal \(name): a secret has at most \(SecretHash.maxSecretBytes) bytes")
        }
        return Entry(
            subject: name, kind: entry.kind, secret: secret, bankID: entry.bankID, roles: Self.set(entry.roles), scopes: Self.set(entry.scopes),
            jurisdictions: Self.set(entry.jurisdictions))
    }

    /// In one order, so that writing the same otherwise changes nobody's rights.
    private static func set(_ names: [String]?) -> [String] { Set(names ?? []).sorted() }

    private static func secret(of entry: Document.Entry, folder: URL) throws -> String {
        switch (entry.secret, entry.secretFile) {
        case (let secret?, nil): return secret
        case (nil, let file?):
            guard let text = try? String(contentsOf: URL(fileURLWithPath: file, relativeTo: folder), encoding: .utf8) else {
                throw FileError(description: "principal \(entry.subject): secret file \(file) cannot be read")
            }
            return text.trimmingCharacters(in: .newlines)
        default: throw FileError(description: "principal \(entry.subject): give either secret or secretFile")
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "\(path(context.codingPath)) lacks \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(path(context.codingPath)) has another type than expected"
        case .dataCorrupted(let context):
            context.codingPath.isEmpty ? "is not JSON" : "\(path(context.codingPath)) has a value that is not allowed"
        @unknown default: "is not a principals file"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { text, key in
            if let index = key.intValue { text += "[\(index)]" } else { text += (text.isEmpty ? "" : ".") + key.stringValue }
        }
    }
}

/// Brings the store in line with the principals file.
struct Provisioning: Sendable {
    let store: AuthStore
    let hasher: SecretHasher

    /// A secret that has not changed keeps its hash. Who is left out, may something else or has another secret: their tokens are void.
    func apply(_ file: PrincipalsFile) async throws {
        let present = Dictionary(uniqueKeysWithValues: try await store.principals().map { ($0.subject, $0) })
        var principals: [StoredPrincipal] = []
        var newSecrets: Set<String> = []
        for entry in file.entries {
            let isPassword = entry.kind == .user
            let known = present[entry.subject].flatMap { SecretHash(phc: $0.secretHash) }
            let hash: SecretHash
            if let known, try await hasher.matches(entry.secret, known, isPassword: isPassword) {
                let isCurrent = known.cost == hasher.cost(isPassword: isPassword)
                hash = isCurrent ? known : try await hasher.hash(entry.secret, isPassword: isPassword)
            } else {
                hash = try await hasher.hash(entry.secret, isPassword: isPassword)
                newSecrets.insert(entry.subject)
            }
            principals.append(
                StoredPrincipal(
                    subject: entry.subject, kind: entry.kind.rawValue, secretHash: hash.phc, bankID: entry.bankID, roles: entry.roles,
                    scopes: entry.scopes, jurisdictions: entry.jurisdictions))
        }
        try await store.replacePrincipals(principals, newSecrets: newSecrets)
    }
}
