# How this project declares folders, libraries and generated code. One target per folder.

# Adds every child folder that has a CMakeLists.txt.
function(quantopt_add_subdirectories)
  file(GLOB lists CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt)
  foreach(list IN LISTS lists)
    get_filename_component(folder ${list} DIRECTORY)
    add_subdirectory(${folder})
  endforeach()
endfunction()

# Headers of MLIR take half of the time that a file compiles. They are compiled once, unless there is a compiler cache,
# which does better with files as they are.
if(NOT CCACHE)
  add_library(QuantoptPrecompiled OBJECT ${CMAKE_SOURCE_DIR}/cmake/Precompiled/Mlir.cpp)
  target_precompile_headers(QuantoptPrecompiled PRIVATE ${CMAKE_SOURCE_DIR}/cmake/Precompiled/Mlir.h)
  target_compile_options(QuantoptPrecompiled PRIVATE -fpch-instantiate-templates)
endif()
function(quantopt_use_precompiled_headers name)
  if(TARGET QuantoptPrecompiled)
    target_precompile_headers(${name} REUSE_FROM QuantoptPrecompiled)
  endif()
endfunction()

# quantopt_add_library(NAME [MLIR] [LIBS target...])
# A static library of the folder's *.cpp files, so that a new quantizer, kernel or pass is one file. MLIR links the MLIR
# shared library and waits for the generated dialect headers; without it the library may use LLVM's Support only.
function(quantopt_add_library name)
  cmake_parse_arguments(ARG "MLIR" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${ARG_LIBS} LLVM)
  if(ARG_MLIR)
    mlir_target_link_libraries(${name} PUBLIC MLIRIR)
    add_dependencies(${name} QuantoptDialectHeaders)
    quantopt_use_precompiled_headers(${name})
  endif()
endfunction()

# quantopt_add_tool(NAME [LIBS target...]): a program of the folder's *.cpp files.
function(quantopt_add_tool name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} LLVM)
  add_dependencies(${name} QuantoptDialectHeaders)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# quantopt_tablegen(FILE "suffix|flag|flag..." ...): FILE.td of this folder to FILE<suffix>.inc. A macro, because
# mlir_tablegen collects its outputs in a variable of the caller's scope.
macro(quantopt_tablegen file)
  set(LLVM_TARGET_DEFINITIONS ${file}.td)
  foreach(pair IN ITEMS ${ARGN})
    string(REPLACE "|" ";" flags "${pair}")
    list(POP_FRONT flags suffix)
    mlir_tablegen(${file}${suffix}.inc ${flags} -I${CMAKE_SOURCE_DIR}/dialects)
  endforeach()
endmacro()

# quantopt_add_dialect(PREFIX NAMESPACE): generates ops, and types, attributes, enums, interfaces and passes where the
# folder has the .td for it: <Prefix>Ops.td is always there.
macro(quantopt_add_dialect prefix namespace)
  quantopt_tablegen(${prefix}Ops
    ".h|-gen-op-decls|-dialect=${namespace}" ".cpp|-gen-op-defs|-dialect=${namespace}"
    "Dialect.h|-gen-dialect-decls|-dialect=${namespace}" "Dialect.cpp|-gen-dialect-defs|-dialect=${namespace}")
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${prefix}Attrs.td)
    quantopt_tablegen(${prefix}Attrs
      ".h|-gen-attrdef-decls|-attrdefs-dialect=${namespace}" ".cpp|-gen-attrdef-defs|-attrdefs-dialect=${namespace}"
      "Enums.h|-gen-enum-decls" "Enums.cpp|-gen-enum-defs")
  endif()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${prefix}Interfaces.td)
    quantopt_tablegen(${prefix}Interfaces
      "Op.h|-gen-op-interface-decls" "Op.cpp|-gen-op-interface-defs"
      "Attr.h|-gen-attr-interface-decls" "Attr.cpp|-gen-attr-interface-defs")
  endif()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${prefix}Passes.td)
    quantopt_tablegen(${prefix}Passes ".h|-gen-pass-decls|-name=${prefix}")
  endif()
  add_public_tablegen_target(Quantopt${prefix}Headers)
  add_dependencies(QuantoptDialectHeaders Quantopt${prefix}Headers)
endmacro()

# quantopt_add_unit_test(NAME [LIBS target...]): a GoogleTest program of the folder's *.cpp files, build/test/unit/NAME.
# Only the target unit-tests builds them.
function(quantopt_add_unit_test name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest_main LLVM)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/unit)
  add_dependencies(unit-tests ${name})
endfunction()
