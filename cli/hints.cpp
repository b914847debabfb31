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
    case 404: return "duly list, duly schedules, duly workflows and duly agents show what there is";
    case 409: return "duly get shows in which state it is";
    case 421: return "call the server by the address it listens on, not by a name";
    case 429:
    case 503: return "it is busy or not ready; the same again in a moment may do";
    case 507: return "the server's disk is nearly full: it takes new work again when there is room";
    default: return {};
  }
}

}  // namespace duly::cli
