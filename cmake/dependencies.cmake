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

find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(CAPNG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
