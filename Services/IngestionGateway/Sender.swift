import Identity
import RPC
import Records

/// Who sends: the bank or agency that the caller's token or certificate says it is.
struct Sender: Sendable {
    private let principal: Principal

    init(_ context: CallContext) throws {
        guard let principal = context.serviceContext.principal else { throw RPCError(.unauthenticated, "the caller is unknown") }
        // It would be taken for an operator, who names banks.
        guard principal.kind != .bank || principal.bankID != nil else { throw RPCError(.permissionDenied, "the token does not say which bank's it is") }
        self.principal = principal
    }

    /// The bank whose transactions and labels these are; nil for an operator, who names the bank in each key.
    var bankID: String? { principal.bankID }

    /// Who it is, for the record.
    var subject: String { principal.subject }

    /// What records are kept under.
    var id: String { principal.bankID ?? principal.subject }

    var reporter: Complaint.Reporter {
        Complaint.Reporter(kind: principal.bankID == nil ? .agency : .bank, id: id)
    }

    /// A stream of records may hold all kinds; each asks for its own scope.
    func check(mayWrite kind: IncomingRecord.Kind) throws {
        switch kind {
        case .label: try check(scope: Scope.writeLabels, for: "a label")
        case .complaint: try check(scope: Scope.writeComplaints, for: "a complaint")
        case .terminal, .customer, .merchant, .contextSignal: try check(scope: Scope.writeRegistry, for: "a \(kind.rawValue)")
        case .jurisdiction:
            let (rule, isPeer) = (MethodRules.jurisdictionWriter, principal.kind == .service)
            guard rule.admits(principal, isPeer: isPeer) else {
                throw RPCError(.permissionDenied, "access is limited by jurisdictions: \(rule.refusal(of: principal, isPeer: isPeer))")
            }
        }
    }

    func check(scope: String, for what: String) throws {
        if principal.kind == .service, principal.subject == ServiceName.operator { return }
        guard principal.scopes.contains(scope) else { throw RPCError(.permissionDenied, "\(what) needs the scope \(scope)") }
    }
}
