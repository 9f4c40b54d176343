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
                var finishers: [CallFinisher] = []
                let result = await handle(&finishers)
                loop.run { [self, finishers] in ended(result, finishers) }
            }
        }
    }

    /// Runs the interceptors, then the handler, with as few asynchronous functions as will do: each costs as much as a
    /// small handler.
    ///
    /// - Parameter finishers: empty; gets those of the interceptors that have begun.
    func handle(_ finishers: inout [CallFinisher]) async -> Result<Answer, any Error> {
        do {
            var incoming = IncomingCall(self)
            try beginPromptly(&incoming, &finishers)
            for interceptor in core.otherInterceptors {
                if let finisher = try await interceptor.begin(&incoming) { finishers.append(finisher) }
            }
            if beganWithoutBody { try await waitForBody() }
            let scope = CallScope(deadline: deadline, trace: incoming.trace)
            guard case .method(let method) = target, case .unary(let handler) = method.implementation else {
                let context = incoming.serviceContext
                return .success(try await CallScope.$current.withValue(scope) { try await ServerHandling.answer(self, context) })
            }
            let (bytes, range) = try requestMessage()
            let context = CallContext(self, incoming.serviceContext)
            return .success(.message(try await CallScope.$current.withValue(scope) { try await handler(bytes, range, coding, context) }))
        } catch {
            return .failure(error)
        }
    }

    private func beginPromptly(_ incoming: inout IncomingCall, _ finishers: inout [CallFinisher]) throws {
        for interceptor in core.promptInterceptors {
            if let finisher = try interceptor.begin(&incoming) { finishers.append(finisher) }
        }
    }

    /// The handler has returned. Loop only.
    func ended(_ result: Result<Answer, any Error>, _ finishers: [CallFinisher]) {
        worker = nil
        task = nil
        connection.handlerEnded()
        complete(result, finishers)
    }

    func cancelHandler() {
        worker?.cancel()
        task?.cancel()
    }
}
