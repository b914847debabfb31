# Writes OUTPUT, a C++ file that holds the text of INPUT.
file(READ "${INPUT}" text)
file(WRITE "${OUTPUT}" "#include \"control-server/api/openapi_text.h\"\n\nnamespace duly {\n\n"
  "std::string_view openapi_text() {\n  return R\"duly_yaml(${text})duly_yaml\";\n}\n\n}  // namespace duly\n")
