# Before cpack makes a package: what was installed as anywhere else goes where Debian has it.
set(packages server:duly-server agent:duly-agent cli:duly client:libduly-client${CPACK_DULY_SONAME_VERSION} dev:libduly-dev)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(move from to)
  if(EXISTS ${from})
    get_filename_component(folder ${to} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(RENAME ${from} ${to})
  endif()
endfunction()

file(READ ${CPACK_DULY_SOURCE_DIR}/packaging/debian/copyright copyright)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(pair ${packages})
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component})
  if(NOT EXISTS ${root}/usr)
    continue() # only some of them are made
  endif()
  move(${root}/usr/etc ${root}/etc)
  move(${root}/usr/lib/systemd ${root}/lib/systemd)
  file(GLOB left ${root}/usr/lib/*)
  if(NOT left)
    file(REMOVE_RECURSE ${root}/usr/lib)
  endif()
  move(${root}/usr/share/zsh/site-functions ${root}/usr/share/zsh/vendor-completions)
  file(GLOB pages ${root}/usr/share/man/man1/*.1)
  if(pages)
    run(gzip -9nf ${pages})
  endif()
  set(documents ${root}/usr/share/doc/${package})
  file(WRITE ${documents}/copyright "${copyright}")
  file(WRITE ${documents}/changelog.Debian "duly (${CPACK_PACKAGE_VERSION}-1) unstable; urgency=medium

  * Made from the sources of ${CPACK_PACKAGE_VERSION}; what has changed is in their CHANGELOG.md.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")
  run(gzip -9nf ${documents}/changelog.Debian)
endforeach()
