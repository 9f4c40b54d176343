import Logging

extension FileIntake {
    /// Keys that pieces are sealed with and that are not here.
    func missingKeys() async throws -> [String] { try await database.keyIDs().subtracting(vault.keyIDs).sorted() }

    /// Seals with the active key what an earlier one has sealed. What can be opened no more stays as it is.
    func reseal(logger: Logger) async throws {
        let places = try await database.places(under: vault.keyIDs.subtracting([vault.activeKeyID]))
        for (file, offset) in places {
            try await database.renewPiece(of: file, at: offset) { sealed in
                (try? vault.open(sealed, of: file, at: offset)).flatMap { try? vault.seal($0, of: file, at: offset) }
            }
        }
        if !places.isEmpty { logger.info("pieces of files sealed with the active key", metadata: ["count": "\(places.count)"]) }
    }
}
