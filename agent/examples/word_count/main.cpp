// An agent with a handler of its own: example.word_count counts the words of {"text": "..."}.
//
//   word_count --link 127.0.0.1:7070 --queues default
//   duly submit example.word_count --payload '{"text": "to be or not to be"}' --wait 5000
//
// It takes every flag of duly-agent and has its built-in handlers as well.
#include <map>
#include <sstream>
#include <string>

#include "agent/app/agent_main.h"
#include "agent/handlers/handler.h"
#include "common/model/limits.h"
#include "common/wire/json.h"

namespace {

duly::HandlerResult count_words(const duly::HandlerContext& context) {
  const auto payload = duly::parse_json(context.payload, duly::limits::kJsonDepth);
  if (!payload || !payload->is_object())
    return duly::HandlerResult::fail_for_good("the payload is not an object");
  const auto text = payload->find("text");
  if (text == payload->end() || !text->is_string())
    return duly::HandlerResult::fail_for_good("text is not a text");

  std::map<std::string, int> counts;
  std::istringstream words(text->get<std::string>());
  for (std::string word; words >> word; ++counts[word]) {
    // A handler that may take long asks now and then whether it should go on.
    if (context.cancelled()) return duly::HandlerResult::fail("cancelled while counting");
  }
  return duly::HandlerResult::succeed(duly::dump_json(duly::Json{{"words", counts}}));
}

}  // namespace

int main(int argc, char** argv) {
  duly::HandlerRegistry handlers;
  handlers.add("example.word_count", count_words);
  return duly::run_agent(argc, argv, handlers);
}
