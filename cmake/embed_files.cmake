# pgtide_embed_files(TARGET FUNCTION FILES...): compiles FILES into TARGET, so that the program
# needs none of them beside it: `const std::vector<EmbeddedFile>& pgtide::FUNCTION()`
# (model/embedded_file.hpp) returns them in the given order.
function(pgtide_embed_files target function)
  set(out ${PROJECT_BINARY_DIR}/generated/${function}.cpp)
  set(script ${PROJECT_SOURCE_DIR}/cmake/write_embedded_files.cmake)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DFUNCTION=${function}" "-DFILES=${ARGN}" -P ${script}
    DEPENDS ${ARGN} ${script}
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
