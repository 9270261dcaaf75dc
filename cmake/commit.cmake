# Writes OUT, a header that defines QE_COMMIT, where it would change: run at every build, it makes nothing be built anew
# but after a commit. "-dirty" stands for changes that are not committed; "unknown" where there is no repository.
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
    set(commit unknown)
endif()
file(CONFIGURE OUTPUT "${OUT}" CONTENT "#define QE_COMMIT \"@commit@\"\n" @ONLY)
