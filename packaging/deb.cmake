# What each Debian package is called and needs; read by cpack, so that the version is the one it was given.
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(library libduly-client${CPACK_DULY_SONAME_VERSION})
set(maintainer_scripts ${CPACK_DULY_SOURCE_DIR}/packaging/debian)

set(about "Duly keeps commands until they are due and has each one executed,\nwhatever crashes.")

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME duly-server)
set(CPACK_COMPONENT_SERVER_DESCRIPTION "fault-tolerant command scheduler, control server\n${about}\nThis is the control server: it owns the store, leases shards to agents and\nserves the HTTP API.")
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "rabbitmq-server, duly, duly-agent")
set(CPACK_DEBIAN_AGENT_PACKAGE_NAME duly-agent)
set(CPACK_COMPONENT_AGENT_DESCRIPTION "fault-tolerant command scheduler, agent\n${about}\nThis is an agent: it publishes what is due to RabbitMQ and executes commands.")
set(CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS adduser)
foreach(each server agent)
  string(TOUPPER ${each} EACH)
  set(CPACK_DEBIAN_${EACH}_PACKAGE_CONTROL_EXTRA ${maintainer_scripts}/${each}/postinst ${maintainer_scripts}/${each}/prerm
      ${maintainer_scripts}/${each}/postrm ${maintainer_scripts}/${each}/conffiles)
endforeach()

set(CPACK_DEBIAN_CLI_PACKAGE_NAME duly)
set(CPACK_COMPONENT_CLI_DESCRIPTION "fault-tolerant command scheduler, command line\n${about}\nThis is the command line.")

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME ${library})
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_CLIENT_PACKAGE_CONTROL_EXTRA ${maintainer_scripts}/client/triggers)
set(CPACK_COMPONENT_CLIENT_DESCRIPTION "fault-tolerant command scheduler, C++ client library\n${about}\nThis is the library that C++ programs submit commands with.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libduly-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEV_DESCRIPTION "fault-tolerant command scheduler, development files\n${about}\nHeaders of the client library, the OpenAPI description and the message schemas.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${library} (= ${version})")
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
