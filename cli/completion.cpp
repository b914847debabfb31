// Completion for bash and zsh.  Both scripts walk the words before the cursor to the subcommand that is
// meant, and then offer its flags, the values of a flag that has a closed set of them, its subcommands, or
// files.
#include <functional>
#include <set>

#include "cli/documents.h"

namespace duly::cli {
namespace {

using Visit = std::function<void(const std::string& place, const CommandDoc& command)>;

// `place` is the path of names: "duly schedules next".
void visit_all(const CommandDoc& command, const std::string& place, const Visit& visit) {
  visit(place, command);
  for (const CommandDoc& each : command.commands) visit_all(each, place + " " + each.name, visit);
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return safe + "'";
}

// Patterns of a shell's case: every subcommand by its path, and every flag that takes a value.
std::string places_pattern(const CommandDoc& tree) {
  std::vector<std::string> places;
  visit_all(tree, tree.name, [&](const std::string& place, const CommandDoc& command) {
    if (&command != &tree) places.push_back(quoted(place));
  });
  return joined(places, " | ");
}

std::string valued_pattern(const CommandDoc& tree) {
  std::set<std::string> names;
  visit_all(tree, tree.name, [&](const std::string&, const CommandDoc& command) {
    for (const FlagDoc& flag : command.flags) {
      if (!flag.value.empty()) names.insert(flag.names.begin(), flag.names.end());
    }
  });
  return joined({names.begin(), names.end()}, " | ");
}

// A line of a case for each flag with a value: what `choices`, `files` and `other` make of it.
struct ValueLines {
  std::function<std::string(const FlagDoc&)> choices;
  std::string files, other;
};

std::string value_cases(const CommandDoc& tree, const ValueLines& lines) {
  std::string text;
  visit_all(tree, tree.name, [&](const std::string& place, const CommandDoc& command) {
    for (const FlagDoc& flag : command.flags) {
      if (flag.value.empty()) continue;
      std::vector<std::string> patterns;
      // The flags of the program itself may stand behind any subcommand.
      for (const std::string& name : flag.names)
        patterns.push_back((&command == &tree ? "*" : "") +
                           quoted((&command == &tree ? "" : place) + " " + name));
      const std::string action = !flag.choices.empty() ? lines.choices(flag)
                                 : flag.takes_file()   ? lines.files
                                                       : lines.other;
      text += "    " + joined(patterns, " | ") + ") " + action + " ;;\n";
    }
  });
  return text;
}

bool takes_files(const CommandDoc& command) {
  for (const FlagDoc& word : command.words) {
    if (word.takes_file()) return true;
  }
  return false;
}

std::string bash_cases(const CommandDoc& tree) {
  std::string text;
  visit_all(tree, tree.name, [&](const std::string& place, const CommandDoc& command) {
    std::vector<std::string> words, flags;
    for (const CommandDoc& each : command.commands) words.push_back(each.name);
    for (const FlagDoc& flag : command.flags) flags.insert(flags.end(), flag.names.begin(), flag.names.end());
    text += "    " + quoted(place) + ") words=" + quoted(joined(words, " ")) +
            " flags=" + quoted(joined(flags, " ")) + (takes_files(command) ? " files=yes" : "") + " ;;\n";
  });
  return text;
}

std::string zsh_list(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string text;
  for (const auto& [name, help] : items) text += (text.empty() ? "" : " ") + quoted(name + ":" + help);
  return "(" + text + ")";
}

std::string zsh_flags(const CommandDoc& command) {
  std::vector<std::pair<std::string, std::string>> items;
  for (const FlagDoc& flag : command.flags) {
    for (const std::string& name : flag.names) items.emplace_back(name, flag.help);
  }
  return zsh_list(items);
}

std::string zsh_cases(const CommandDoc& tree) {
  std::string text;
  visit_all(tree, tree.name, [&](const std::string& place, const CommandDoc& command) {
    std::vector<std::pair<std::string, std::string>> words;
    for (const CommandDoc& each : command.commands) words.emplace_back(each.name, each.help);
    text += "    " + quoted(place) + ") words_here=" + zsh_list(words) + " flags=" + zsh_flags(command) +
            (takes_files(command) ? " files=yes" : "") + " ;;\n";
  });
  return text;
}

}  // namespace

std::string bash_completion(const CommandDoc& tree) {
  const ValueLines values{
      [](const FlagDoc& flag) {
        return "mapfile -t COMPREPLY < <(compgen -W " + quoted(joined(flag.choices, " ")) +
               " -- \"$word\"); return";
      },
      "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return",
      "return"};
  std::string global;
  for (const FlagDoc& flag : tree.flags) global += (global.empty() ? "" : " ") + joined(flag.names, " ");
  return "# Completion of " + tree.name +
         " for bash, made by `duly completion bash`.  Source it, or write it to\n"
         "# ~/.local/share/bash-completion/completions/duly\n"
         "_duly() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} place=" +
         tree.name +
         "\n  local words='' flags='' files='' i\n"
         "  COMPREPLY=()\n"
         "  # bash takes --flag=value for three words\n"
         "  if [[ $word == = ]]; then word=''; elif [[ $before == = ]]; then "
         "before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"${COMP_WORDS[i]}\" in\n"
         "    " +
         valued_pattern(tree) +
         ")\n"
         "      if [[ ${COMP_WORDS[i+1]:-} == = ]]; then ((++i)); fi\n"
         "      ((++i))\n"
         "      continue ;;\n"
         "    esac\n"
         "    case \"$place ${COMP_WORDS[i]}\" in\n"
         "    " +
         places_pattern(tree) +
         ") place+=\" ${COMP_WORDS[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$place $before\" in\n" +
         value_cases(tree, values) +
         "  esac\n"
         "  case \"$place\" in\n" +
         bash_cases(tree) +
         "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$flags " +
         global +
         "\" -- \"$word\" | sort -u)\n"
         "  elif [[ -n $files ]]; then\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "  else\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "  fi\n"
         "}\n"
         "complete -F _duly " +
         tree.name + "\n";
}

std::string zsh_completion(const CommandDoc& tree) {
  const ValueLines values{
      [](const FlagDoc& flag) { return "compadd -- " + joined(flag.choices, " ") + "; return"; },
      "_files; return", "return"};
  return "#compdef " + tree.name + "\n# Completion of " + tree.name +
         " for zsh, made by `duly completion zsh`.  Source it, or write it as _duly to a folder of $fpath.\n"
         "_duly() {\n"
         "  local place=" +
         tree.name +
         " before=${words[CURRENT-1]} files='' i\n"
         "  local -a words_here flags global\n"
         "  if [[ $PREFIX == --*=* ]]; then before=${PREFIX%%=*}; compset -P '*='; fi\n"
         "  for ((i = 2; i < CURRENT; i++)); do\n"
         "    case \"${words[i]}\" in\n"
         "    (" +
         valued_pattern(tree) +
         ") ((++i)); continue ;;\n"
         "    esac\n"
         "    case \"$place ${words[i]}\" in\n"
         "    (" +
         places_pattern(tree) +
         ") place+=\" ${words[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$place $before\" in\n" +
         value_cases(tree, values) +
         "  esac\n"
         "  case \"$place\" in\n" +
         zsh_cases(tree) +
         "  esac\n"
         "  global=" +
         zsh_flags(tree) +
         "\n"
         "  if [[ $PREFIX == -* ]]; then\n"
         "    _describe -o 'flag' flags\n"
         "    if [[ $place != " +
         tree.name +
         " ]]; then _describe -o 'flag of every command' global; fi\n"
         "  elif [[ -n $files ]]; then\n"
         "    _files\n"
         "  elif (( ${#words_here} )); then\n"
         "    _describe 'command' words_here\n"
         "  fi\n"
         "}\n"
         "if [[ ${funcstack[1]} == _duly ]]; then _duly \"$@\"; else compdef _duly " +
         tree.name + "; fi\n";
}

}  // namespace duly::cli
