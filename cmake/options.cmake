# Warnings, sanitizers and link-time optimisation, as INTERFACE libraries that every target of ours links.

add_library(qe_warnings INTERFACE)
target_compile_options(qe_warnings INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    -fno-strict-aliasing)

option(QE_WERROR "Treat warnings as errors" OFF)
if(QE_WERROR)
    target_compile_options(qe_warnings INTERFACE -Werror)
endif()

set(QE_SANITIZE "" CACHE STRING "Sanitizers for every target, such as address,undefined")
if(QE_SANITIZE)
    add_compile_options(-fsanitize=${QE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${QE_SANITIZE})
endif()

option(QE_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
if(QE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

option(QE_MUTANTS "Build seeded faults into the core, for the proof that the simulator finds them" OFF)

option(QE_COVERAGE "Measure coverage" OFF)
if(QE_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()

option(QE_LTO "Link-time optimisation over our code and ngtcp2" OFF)
if(QE_LTO)
    include(CheckIPOSupported)
    check_ipo_supported()
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        add_link_options(-flto=auto) # as many jobs as there are processors
    endif()
elseif(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # The private libraries hold both machine code and LTO's intermediate one; without this the linker takes the latter
    # and compiles ngtcp2 anew for each test.
    add_link_options(-fno-lto)
endif()

# Asserts stay on in every build: an impossible state must stop the program, not corrupt it.
foreach(language C CXX)
    foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
        string(REPLACE "-DNDEBUG" "" CMAKE_${language}_FLAGS_${type} "${CMAKE_${language}_FLAGS_${type}}")
    endforeach()
endforeach()
