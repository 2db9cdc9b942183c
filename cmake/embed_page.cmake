# pgtide_embed_page(TARGET): compiles src/cli/demo_page/* into TARGET as cli/demo_page.hpp declares
# them, so that the program serves its page without any file beside it.
function(pgtide_embed_page target)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/demo_page/*)
  list(SORT files)
  set(out ${PROJECT_BINARY_DIR}/generated/page_files.cpp)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DFILES=${files}"
            -P ${PROJECT_SOURCE_DIR}/cmake/write_page_files.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/write_page_files.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
