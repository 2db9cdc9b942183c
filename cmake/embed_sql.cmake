# pgtide_embed_sql(TARGET): compiles sql/*.sql into TARGET as capture/sql_files.hpp declares them,
# so that the program carries what `install` runs and `psql -f` runs the very same text.
function(pgtide_embed_sql target)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/sql/*.sql)
  list(SORT files)
  set(out ${PROJECT_BINARY_DIR}/generated/sql_files.cpp)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DFILES=${files}"
            -P ${PROJECT_SOURCE_DIR}/cmake/write_sql_files.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/write_sql_files.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
