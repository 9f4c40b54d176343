internal import NIOCore
internal import ServiceContextModule

/// Running a call's handler, in a worker of its loop or in a task of its own.
extension ServerCall {
    func start(on execution: HandlerExecution) {
        hasStarted = true
        connection.handlerStarted()
        switch execution {
        case .loop: loop.run(self)
        case .offLoop:
            task = Task(executorPreference: globalConcurrentExecutor) { [self] in
                let handled = await handle()
                loop.run { [self] in ended(handled) }
            }
        }
    }

    /// What is left to do when the handler has returned.
    struct Handled: Sendable {
        var result: Result<Answer, any Error>
        var finishers: [@Sendable (CallOutcome) -> Void]
    }

    /// Runs the interceptors, then the handler, with as few asynchronous functions as will do: each costs as much as a
    /// small handler.
    func handle() async -> Handled {
        let interceptors = core.interceptors
        var finishers: [@Sendable (CallOutcome) -> Void] = []
        finishers.reserveCapacity(interceptors.count)
        do {
            let target = target
            var incoming = IncomingCall(self)
            for interceptor in interceptors {
                let finisher =
                    switch interceptor {
                    case .prompt(let begin): try begin(&incoming)
                    case .waiting(let begin): try await begin(&incoming)
                    }
                if let finisher { finishers.append(finisher) }
            }
            if beganWithoutBody { try await waitForBody() }
            let scope = CallScope(deadline: deadline, trace: incoming.trace)
            guard case .method(let method) = target, case .unary(let handler) = method.implementation else {
                let context = incoming.serviceContext
                let answer = try await CallScope.$current.withValue(scope) { try await ServerHandling.answer(self, context) }
                return Handled(result: .success(answer), finishers: finishers)
            }
            let (bytes, range) = try requestMessage()
            let context = CallContext(self, method.descriptor, incoming.serviceContext)
            let message = try await CallScope.$current.withValue(scope) { try await handler(bytes, range, coding, context) }
            return Handled(result: .success(.message(message)), finishers: finishers)
        } catch {
            return Handled(result: .failure(error), finishers: finishers)
        }
    }

    /// The handler has returned. Loop only.
    func ended(_ handled: Handled) {
        worker = nil
        task = nil
        connection.handlerEnded()
        complete(handled.result, handled.finishers)
    }

    func cancelHandler() {
        worker?.cancel()
        task?.cancel()
    }
}
