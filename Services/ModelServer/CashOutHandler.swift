import Contracts
import Geo
import Identity
import Models
import RPC
import RecordCoding
import Records
import ServiceContextModule
import StandardContracts

extension ModelServerHandlers {
    private static let defaultATMs = 5
    private static let maxATMs = 100
    private static let defaultHours = 24

    func predictCashOut(
        _ request: ModelsV1.PredictCashOutRequest, context: CallContext
    ) async throws -> ModelsV1.PredictCashOutResponse {
        let principal = context.serviceContext.principal
        let (time, machineLimit, hours) = try Self.limits(request)
        let areas = try await areas(of: principal)
        let complaint = try await complaint(request, principal, areas)
        let (prediction, fitted) = try await cashOuts.predict(complaint, at: time)
        let visible = prediction.machines.indices.filter { Self.contains(areas, prediction.machines[$0].machine.place) }
        let listed = visible.prefix(machineLimit)
        return ModelsV1.PredictCashOutResponse(
            goneProbability: prediction.goneProbability,
            windows: (0..<hours).map { window in
                ModelsV1.CashOutWindow(
                    startsAt: .init(time + .hours(window)), endsAt: .init(time + .hours(window + 1)),
                    probability: prediction.windows[window])
            },
            laterProbability: prediction.windows[hours...].reduce(0, +),
            atms: listed.map { index in
                let machine = prediction.machines[index]
                return ModelsV1.CashOutATM(
                    terminalID: machine.machine.id, location: .init(machine.machine.place), probability: machine.probability,
                    windowProbabilities: (0..<hours).map { prediction.probability(machine: index, window: $0) })
            },
            elsewhereProbability: max(
                1 - prediction.goneProbability - listed.reduce(0) { $0 + prediction.machines[$1].probability }, 0),
            traced: prediction.isTraced, asOf: .init(time), fittedComplaints: UInt32(fitted))
    }

    private static func limits(_ request: ModelsV1.PredictCashOutRequest) throws -> (time: Timestamp, machines: Int, hours: Int) {
        var faults: [FieldViolation] = []
        if request.maxATMs > maxATMs { faults.append(.init(field: "max_atms", description: "must be at most \(maxATMs)")) }
        if request.hours > CashOutModel.horizonHours {
            faults.append(.init(field: "hours", description: "must be at most \(CashOutModel.horizonHours)"))
        }
        var time = Timestamp.now()
        if let at = request.at {
            if let moment = Timestamp(at) { time = moment } else { faults.append(.init(field: "at", description: "is no time")) }
        }
        if request.subject == nil { faults.append(.init(field: "subject", description: "is missing: submitted or complaint")) }
        guard faults.isEmpty else { throw RPCError.invalidArgument(faults) }
        return (
            time, request.maxATMs == 0 ? defaultATMs : Int(request.maxATMs), request.hours == 0 ? defaultHours : Int(request.hours)
        )
    }

    /// The complaint that is asked about, if the caller may know of it: one's own or, for who is no bank, one in one's jurisdictions.
    private func complaint(
        _ request: ModelsV1.PredictCashOutRequest, _ principal: Principal?, _ areas: [MultiPolygon]?
    ) async throws -> Complaint {
        let caller = principal?.bankID ?? principal?.subject ?? ""
        let isBank = principal?.isOfOneBank ?? true
        do {
            switch request.subject {
            case .complaint(let message):
                let complaint = try Complaint(message, reporter: .init(kind: .agency, id: caller), isIncoming: true)
                let violations = complaint.validate(now: .now())
                guard violations.isEmpty else { throw InvalidRecord(violations) }
                return complaint
            case .submitted(let key):
                let reporter = key.reporterID.isEmpty ? caller : key.reporterID
                let found = try await records.complaint(reporter: reporter, id: key.complaintID)
                    .map { try Payload.decode(RecordsV1.Complaint.self, $0) }
                    .map { try Complaint($0, reporter: .init(kind: .agency, id: reporter)) }
                // Who may not know of it is told the same as when there is none.
                guard let found, reporter == caller || !isBank && Self.contains(areas, found.location) else {
                    throw RPCError(.notFound, "there is no complaint \(key.complaintID) of \(reporter)")
                }
                return found
            case nil: throw RPCError.invalidArgument([FieldViolation(field: "subject", description: "is missing")])
            }
        } catch let error as InvalidRecord {
            throw error.rpcError(within: "complaint")
        }
    }

    /// The areas that the caller is limited to; nil for one who is not.
    func areas(of principal: Principal?) async throws -> [MultiPolygon]? {
        guard let ids = principal?.permittedJurisdictions else { return nil }
        return try await records.jurisdictions(ids).map { encoded in
            try Jurisdiction(try Payload.decode(RecordsV1.Jurisdiction.self, encoded)).area()
        }
    }

    /// Whether a place lies in one of the areas; anywhere counts for one who is not limited to areas, and no place for one who is.
    static func contains(_ areas: [MultiPolygon]?, _ place: Coordinate?) -> Bool {
        guard let areas else { return true }
        guard let place else { return false }
        return areas.contains { $0.contains(Position(latitude: place.latitude, longitude: place.longitude)) }
    }
}
