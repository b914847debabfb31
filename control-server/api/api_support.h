// What the handlers of all resources share: reading arguments and bodies, asking the engine, answering.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/wire/json.h"
#include "control-server/api/api.h"
#include "control-server/api/complaints.h"
#include "control-server/api/http_response.h"

namespace duly {

// A problem whose one error is about the request as a whole.
HttpResponse bad_request(const std::string& detail);
HttpResponse problem_response(const Problem& problem);
// An Error of the store's reader: not_found is 404, everything else 503.
HttpResponse reader_problem(const Error& error, std::string_view what);
HttpResponse json_response(int status, std::string body);

// Answers a request that changed something: the crash point lies between the commit and this.
void respond_to_change(const Api& api, const Respond& respond, HttpResponse response);

// Answers for something new under `collection` (its path): 201, 200 to a replay, with `shown`.  When that
// cannot be read just now, with no more than the id: what was accepted is on disk, whatever happens here.
void answer_accepted(const Api& api, const Respond& respond, const std::string& collection,
                     const std::string& id, bool replayed, HttpResponse shown);

// Asks the engine and passes on what it answers: a JsonBody or a Problem.
void ask_and_pass_on(Api& api, const Respond& respond, const Desk::Make& make);
// The same for a question that changes nothing.
void query_and_pass_on(Api& api, const Respond& respond, const Query& query);
// Asks for a change of one command, then answers 200 with that command.
void ask_and_show_command(Api& api, const Respond& respond, const Desk::Make& make);

// The command, or the problem that says why not.
HttpResponse show_command(Api& api, CommandId id, int status = 200);

// The id in args[0]; nothing after having answered 400.
std::optional<CommandId> command_id_of(const ApiCall& call);
// The whole number in `text` within [least, most].
std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t least, std::int64_t most);

// The JSON object in the body; nothing after having answered 400.  An empty body is an empty object when
// allowed.
std::optional<Json> object_body(const ApiCall& call, bool may_be_empty = false);
// Complains about each member of `object` that is not in `known`.
void refuse_unknown(const Json& object, std::initializer_list<std::string_view> known,
                    Complaints& complaints);
// For actions without parameters: true when the body is empty or {}; else answers 400.
bool takes_no_body(const ApiCall& call);

// The Idempotency-Key header; empty = none.
std::string idempotency_key_of(const HttpRequest& request, Complaints& complaints);

// What its traceparent and tracestate headers say; null = none that can be understood.
TracePtr trace_of(const HttpRequest& request);

// "/" and "~" inside a name, escaped for a JSON pointer.
std::string pointer_token(std::string_view name);

}  // namespace duly
