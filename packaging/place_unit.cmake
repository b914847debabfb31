# At `cmake --install`: a unit that is not installed below /usr names the programs and the configuration where they are.
# `unit` is its path below the prefix.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND NOT CMAKE_INSTALL_PREFIX MATCHES "/_CPack_Packages/")
  set(file "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${unit}")
  file(READ "${file}" text)
  string(REPLACE "/usr/bin/duly" "${CMAKE_INSTALL_PREFIX}/bin/duly" text "${text}")
  string(REPLACE "/etc/duly/" "${CMAKE_INSTALL_PREFIX}/etc/duly/" text "${text}")
  file(WRITE "${file}" "${text}")
endif()
