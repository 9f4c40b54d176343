#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How a transaction was ordered and between which institutions.
public struct TransactionDetails: Sendable, Hashable {
    /// IPv4 or IPv6 address that the order came from.
    public var ipAddress: String?
    /// Of the customer, as given with the order.
    public var email: String?
    /// E.164: `+919876543210`.
    public var phone: String?
    /// Of the institution that keeps the account debited.
    public var debtorAgentBIC: BIC?
    /// The same of the account credited.
    public var creditorAgentBIC: BIC?

    public init(
        ipAddress: String? = nil, email: String? = nil, phone: String? = nil, debtorAgentBIC: BIC? = nil, creditorAgentBIC: BIC? = nil
    ) {
        self.ipAddress = ipAddress
        self.email = email
        self.phone = phone
        self.debtorAgentBIC = debtorAgentBIC
        self.creditorAgentBIC = creditorAgentBIC
    }

    public var isEmpty: Bool { self == TransactionDetails() }
}

extension Checker {
    mutating func details(_ details: TransactionDetails?) {
        guard let details else { return }
        if let address = details.ipAddress, IPAddress(address) == nil { fail("details.ip_address", "is no IPv4 or IPv6 address") }
        if let email = details.email, EmailAddress(email) == nil { fail("details.email", "is no e-mail address") }
        if let phone = details.phone, PhoneNumber(phone) == nil {
            fail("details.phone", "is no phone number with its country's code, such as +919876543210")
        }
    }
}

/// An internet address, in the one way in which RFC 5952 writes it.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// Nil unless `text` is an IPv4 or IPv6 address, without port or zone.
    public init?(_ text: String) {
        guard !text.utf8.contains(0) else { return nil }
        let family = text.utf8.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET
        var address = in6_addr()
        guard inet_pton(family, text, &address) == 1 else { return nil }
        var written = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, &address, &written, socklen_t(written.count)) != nil else { return nil }
        description = written.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}

/// An e-mail address as a person gives it: something, an at sign, a domain of letters, digits, dots and hyphens (RFC 5321, without quotes).
public struct EmailAddress: Sendable, Hashable, CustomStringConvertible {
    /// In small letters: no provider of weight tells capitals apart.
    public let description: String

    private static let maxBytes = 254

    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.maxBytes, parts.count == 2, !parts[0].isEmpty else { return nil }
        guard !text.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7f }) else { return nil }
        let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        let isDomain = labels.count > 1 && labels.allSatisfy { label in
            !label.isEmpty && label.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
        }
        guard isDomain else { return nil }
        description = text.lowercased()
    }
}

/// A phone number of ITU-T E.164: a plus sign and 7 to 15 digits that begin with the country's code.
public struct PhoneNumber: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// Nil unless `text` is one; spaces, hyphens, dots and brackets are passed over, and so is `(0)`, which is dialled only within a country;
    /// `00` stands for the plus sign.
    public init?(_ text: String) {
        var digits = GroupMarks.removed(from: text.replacing("(0)", with: "")).filter { !".()/".contains($0) }
        if digits.hasPrefix("+") { digits.removeFirst() } else if digits.hasPrefix("00") { digits.removeFirst(2) } else { return nil }
        guard (7...15).contains(digits.count), digits.first != "0", digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        description = "+" + digits
    }
}
