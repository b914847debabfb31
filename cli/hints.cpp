#include "cli/hints.h"

namespace duly::cli {

std::string_view hint_for(const Error& error) {
  switch (error.code) {
    case Errc::unavailable: return "--server URL or DULY_SERVER says where the server is; does it run there?";
    case Errc::in_doubt:
      return "look whether it is there (duly list) before you send it again, or send it with an "
             "--idempotency-key";
    default: return {};
  }
}

std::string_view hint_for(const Answer& answer) {
  switch (answer.status) {
    case 401: return "put an API key into DULY_API_KEY; `duly-server keys new NAME ROLE` makes one";
    case 403:
      return "the key in DULY_API_KEY may not do this; `duly-server keys new NAME ROLE` makes another";
    case 404: return "duly list, duly schedules, duly workflows and duly agents show what there is";
    case 409: return "duly get shows in which state it is";
    case 412:
      return "somebody changed it meanwhile: look again (duly schedules versions) before you replace it";
    case 413: return "it is too large for one request; `duly load` sends many commands in batches";
    case 421: return "call the server by the address it listens on, not by a name";
    case 422: return "that --idempotency-key came before with another command: take a new one";
    case 429: return "the rate of the key in DULY_API_KEY is used up: its operator sets it (rate=COUNT/PER)";
    case 503: return "it is busy or not ready; the same again in a moment may do";
    case 507: return "the server's disk is nearly full: it takes new work again when there is room";
    default: return {};
  }
}

}  // namespace duly::cli
