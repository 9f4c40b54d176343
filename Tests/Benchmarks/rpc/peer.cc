// The peer of the RPC benchmarks: a server and a client of grpc.testing.TestService in gRPC C++.
//
//   peer async|callback CERTIFICATE KEY     serves on any free port (TLS where the files are not "-"), prints the port
//   peer call TARGET CONCURRENCY CALLS      makes unary calls of 100 bytes, prints microseconds of CPU time a call, then, of as many
//                                           calls again, how many microseconds the slowest hundredth took at least;
//                                           one thread makes them all and takes the answers from a completion queue
//   peer call-and-wait TARGET CONCURRENCY CALLS      the same from threads that wait for their answers, one call each
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using grpc::testing::TestService;

static std::string read_file(const char* path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

static std::shared_ptr<grpc::ServerCredentials> server_credentials(const char* certificate, const char* key) {
    if (std::string(certificate) == "-") return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({read_file(key), read_file(certificate)});
    return grpc::SslServerCredentials(options);
}

static double cpu_seconds() {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Asynchronous server -----------------------------------------------------------------------------------------------------

using Service = TestService::AsyncService;

struct Call {
    virtual void proceed(bool ok) = 0;
    virtual ~Call() = default;
};

struct UnaryCall final : Call {
    Service* service;
    grpc::ServerCompletionQueue* queue;
    grpc::ServerContext context;
    SimpleRequest request;
    SimpleResponse response;
    grpc::ServerAsyncResponseWriter<SimpleResponse> responder{&context};
    bool is_answered = false;

    UnaryCall(Service* service, grpc::ServerCompletionQueue* queue) : service(service), queue(queue) {
        service->RequestUnaryCall(&context, &request, &responder, queue, queue, static_cast<Call*>(this));
    }

    void proceed(bool ok) override {
        if (!ok || is_answered) {
            delete this;
            return;
        }
        new UnaryCall(service, queue);
        response.mutable_payload()->set_body(request.payload().body());
        is_answered = true;
        responder.Finish(response, grpc::Status::OK, static_cast<Call*>(this));
    }
};

struct StreamCall final : Call {
    Service* service;
    grpc::ServerCompletionQueue* queue;
    grpc::ServerContext context;
    StreamingOutputCallRequest request;
    StreamingOutputCallResponse response;
    grpc::ServerAsyncWriter<StreamingOutputCallResponse> writer{&context};
    int sent = -1;
    bool is_finished = false;

    StreamCall(Service* service, grpc::ServerCompletionQueue* queue) : service(service), queue(queue) {
        service->RequestStreamingOutputCall(&context, &request, &writer, queue, queue, static_cast<Call*>(this));
    }

    void proceed(bool ok) override {
        if (!ok || is_finished) {
            delete this;
            return;
        }
        if (sent < 0) {
            new StreamCall(service, queue);
            sent = 0;
        }
        if (sent == request.response_parameters_size()) {
            is_finished = true;
            writer.Finish(grpc::Status::OK, static_cast<Call*>(this));
            return;
        }
        response.mutable_payload()->set_body(std::string(request.response_parameters(sent).size(), 'x'));
        sent++;
        writer.Write(response, static_cast<Call*>(this));
    }
};

static int announce(int port) {
    if (port == 0) return 1;
    std::cout << port << std::endl;
    return 0;
}

static int serve_async(const char* certificate, const char* key) {
    Service service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", server_credentials(certificate, key), &port);
    builder.RegisterService(&service);
    auto queue = builder.AddCompletionQueue();
    auto server = builder.BuildAndStart();
    for (int i = 0; i < 400; i++) new UnaryCall(&service, queue.get());
    for (int i = 0; i < 32; i++) new StreamCall(&service, queue.get());
    if (announce(port)) return 1;
    std::thread([] {
        char byte;
        while (read(0, &byte, 1) > 0) {}
        _exit(0);
    }).detach();
    void* tag;
    bool ok;
    while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->proceed(ok);
    return 0;
}

// Callback server -----------------------------------------------------------------------------------------------------------

struct CallbackService final : TestService::CallbackService {
    grpc::ServerUnaryReactor* UnaryCall(
        grpc::CallbackServerContext* context, const SimpleRequest* request, SimpleResponse* response) override {
        response->mutable_payload()->set_body(request->payload().body());
        auto* reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }

    grpc::ServerWriteReactor<StreamingOutputCallResponse>* StreamingOutputCall(
        grpc::CallbackServerContext*, const StreamingOutputCallRequest* request) override {
        struct Writer final : grpc::ServerWriteReactor<StreamingOutputCallResponse> {
            const StreamingOutputCallRequest* request;
            StreamingOutputCallResponse response;
            int sent = 0;
            explicit Writer(const StreamingOutputCallRequest* request) : request(request) { next(); }
            void next() {
                if (sent == request->response_parameters_size()) return Finish(grpc::Status::OK);
                response.mutable_payload()->set_body(std::string(request->response_parameters(sent).size(), 'x'));
                sent++;
                StartWrite(&response);
            }
            void OnWriteDone(bool ok) override {
                if (ok) next(); else Finish(grpc::Status::CANCELLED);
            }
            void OnDone() override { delete this; }
        };
        return new Writer(request);
    }
};

static int serve_callback(const char* certificate, const char* key) {
    CallbackService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", server_credentials(certificate, key), &port);
    builder.RegisterService(&service);
    auto server = builder.BuildAndStart();
    if (announce(port)) return 1;
    char byte;
    while (read(0, &byte, 1) > 0) {}
    _exit(0);
}

// Client --------------------------------------------------------------------------------------------------------------------

struct ClientCall {
    grpc::ClientContext context;
    SimpleResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<SimpleResponse>> reader;
    std::chrono::steady_clock::time_point started;
};

static int call(const std::string& target, int concurrency, int calls) {
    auto stub = TestService::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
    grpc::CompletionQueue queue;
    SimpleRequest request;
    request.mutable_payload()->set_body(std::string(100, 'x'));
    std::vector<double> latencies;
    bool is_timed = false;
    auto start = [&] {
        auto* call = new ClientCall;
        if (is_timed) call->started = std::chrono::steady_clock::now();
        call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
        call->context.set_wait_for_ready(true);
        call->reader = stub->AsyncUnaryCall(&call->context, request, &queue);
        call->reader->Finish(&call->response, &call->status, call);
    };
    auto run = [&](int count) {
        int started = 0, done = 0, failed = 0;
        while (started < concurrency && started < count) start(), started++;
        void* tag;
        bool ok;
        while (done < count && queue.Next(&tag, &ok)) {
            auto* call = static_cast<ClientCall*>(tag);
            if (!ok || !call->status.ok() || call->response.payload().body().size() != 100) failed++;
            if (is_timed) {
                std::chrono::duration<double, std::micro> latency = std::chrono::steady_clock::now() - call->started;
                latencies.push_back(latency.count());
            }
            delete call;
            done++;
            if (started < count) start(), started++;
        }
        return failed;
    };
    if (run(concurrency * 20)) return 1;
    double before = cpu_seconds();
    if (run(calls)) return 1;
    double cpu = (cpu_seconds() - before) * 1e6 / calls;
    is_timed = true;
    if (run(calls)) return 1;
    std::sort(latencies.begin(), latencies.end());
    std::cout << cpu << " " << latencies[latencies.size() * 99 / 100] << std::endl;
    return 0;
}

// Calls as most C++ services make them: each caller a thread that waits for its answer.
static int call_and_wait(const std::string& target, int concurrency, int calls) {
    auto stub = TestService::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
    SimpleRequest request;
    request.mutable_payload()->set_body(std::string(100, 'x'));
    std::atomic<int> failed{0};
    auto run = [&](int count, std::vector<double>* latencies) {
        std::mutex mutex;
        std::vector<std::thread> callers;
        for (int index = 0; index < concurrency; index++) {
            callers.emplace_back([&] {
                std::vector<double> own;
                for (int number = 0; number < count / concurrency; number++) {
                    auto started = std::chrono::steady_clock::now();
                    grpc::ClientContext context;
                    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
                    context.set_wait_for_ready(true);
                    SimpleResponse response;
                    grpc::Status status = stub->UnaryCall(&context, request, &response);
                    if (!status.ok() || response.payload().body().size() != 100) failed++;
                    std::chrono::duration<double, std::micro> latency = std::chrono::steady_clock::now() - started;
                    if (latencies) own.push_back(latency.count());
                }
                std::lock_guard<std::mutex> lock(mutex);
                if (latencies) latencies->insert(latencies->end(), own.begin(), own.end());
            });
        }
        for (auto& caller : callers) caller.join();
    };
    run(concurrency * 20, nullptr);
    double before = cpu_seconds();
    run(calls, nullptr);
    double cpu = (cpu_seconds() - before) * 1e6 / calls;
    std::vector<double> latencies;
    run(calls, &latencies);
    if (failed) return 1;
    std::sort(latencies.begin(), latencies.end());
    std::cout << cpu << " " << latencies[latencies.size() * 99 / 100] << std::endl;
    return 0;
}

int main(int count, char** arguments) {
    std::string role = count > 1 ? arguments[1] : "";
    if (role == "async" && count == 4) return serve_async(arguments[2], arguments[3]);
    if (role == "callback" && count == 4) return serve_callback(arguments[2], arguments[3]);
    if (role == "call" && count == 5) return call(arguments[2], atoi(arguments[3]), atoi(arguments[4]));
    if (role == "call-and-wait" && count == 5) return call_and_wait(arguments[2], atoi(arguments[3]), atoi(arguments[4]));
    std::cerr << "usage: peer async|callback CERTIFICATE KEY, or peer call|call-and-wait TARGET CONCURRENCY CALLS" << std::endl;
    return 64;
}
