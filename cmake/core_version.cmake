# Writes OUT, a C file with the digest of the sources of proto/ under SOURCE and the commit they come from.
file(GLOB_RECURSE sources RELATIVE "${SOURCE}" "${SOURCE}/proto/*.c" "${SOURCE}/proto/*.h" "${SOURCE}/proto/*.cc")
list(SORT sources)
set(all "")
foreach(source IN LISTS sources)
    file(SHA256 "${SOURCE}/${source}" digest)
    string(APPEND all "${source} ${digest}\n")
endforeach()
string(SHA256 digest "${all}")
string(REGEX REPLACE "(..)" "0x\\1, " bytes "${digest}")

set(commit "unknown")
find_program(git git)
if(git)
    execute_process(COMMAND "${git}" -C "${SOURCE}" describe --always --dirty --abbrev=12
        OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
        set(commit "${described}")
    endif()
endif()
file(WRITE "${OUT}" "// Made by cmake/core_version.cmake.
#include \"record/core.h\"

const uint8_t qe_core_digest[32] = {${bytes}};
const char qe_core_commit[] = \"${commit}\";
")
