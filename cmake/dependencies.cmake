# Third-party libraries. OpenSSL and ngtcp2 always come from the private static prefix that ./dev setup builds.

if(NOT QE_DEPS_PREFIX)
    execute_process(COMMAND "${CMAKE_SOURCE_DIR}/.dev/deps" --print
        OUTPUT_VARIABLE QE_DEPS_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE deps_result)
    if(NOT deps_result EQUAL 0)
        message(FATAL_ERROR "OpenSSL and ngtcp2 are missing; run ./dev setup")
    endif()
endif()

list(PREPEND CMAKE_PREFIX_PATH "${QE_DEPS_PREFIX}")
set(OPENSSL_ROOT_DIR "${QE_DEPS_PREFIX}")
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL 3.5 REQUIRED)
find_package(ngtcp2 1.22 CONFIG REQUIRED PATHS "${QE_DEPS_PREFIX}" NO_DEFAULT_PATH)

# The daemon is one file: what a plain Debian does not have is linked statically, from the private prefix or the system's
# development packages. libmnl has no static build, but comes with iproute2.
function(qe_static_library name library header)
    find_library(QE_LIB_${name} NAMES lib${library}.a REQUIRED)
    find_path(QE_INC_${name} NAMES ${header} REQUIRED)
    add_library(deps::${name} STATIC IMPORTED GLOBAL)
    set_target_properties(deps::${name} PROPERTIES IMPORTED_LOCATION "${QE_LIB_${name}}"
        INTERFACE_INCLUDE_DIRECTORIES "${QE_INC_${name}}")
endfunction()
qe_static_library(sodium sodium sodium.h)
qe_static_library(jansson jansson jansson.h)
if(QE_SIM_ONLY)
    return()
endif()
qe_static_library(microhttpd microhttpd microhttpd.h)
qe_static_library(capng cap-ng cap-ng.h)
qe_static_library(seccomp seccomp seccomp.h)
qe_static_library(miniupnpc miniupnpc miniupnpc/miniupnpc.h)

find_package(PkgConfig REQUIRED)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)

# Loaded where they are needed and there (realio/kernel/nft.c, resolved.c): only their headers are.
find_path(QE_INC_nftables NAMES nftables/libnftables.h REQUIRED)
find_path(QE_INC_systemd NAMES systemd/sd-bus.h REQUIRED)
