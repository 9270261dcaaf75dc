# Third-party libraries. OpenSSL, ngtcp2 and libmicrohttpd always come from the private static prefixes that ./dev setup
# builds. The others are Debian's, linked statically where Debian has them so: the program shall run on a plain Debian.

if(NOT QE_DEPS_PREFIX)
    execute_process(COMMAND "${CMAKE_SOURCE_DIR}/.dev/deps" --print
        OUTPUT_VARIABLE QE_DEPS_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE deps_result)
    if(NOT deps_result EQUAL 0)
        message(FATAL_ERROR "OpenSSL and ngtcp2 are missing; run ./dev setup")
    endif()
endif()
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/.dev/deps-http" --print
    OUTPUT_VARIABLE http_prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE deps_result)
if(NOT deps_result EQUAL 0)
    message(FATAL_ERROR "libmicrohttpd is missing; run ./dev setup")
endif()

list(PREPEND CMAKE_PREFIX_PATH "${QE_DEPS_PREFIX}")
set(OPENSSL_ROOT_DIR "${QE_DEPS_PREFIX}")
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL 3.5 REQUIRED)
find_package(ngtcp2 1.22 CONFIG REQUIRED PATHS "${QE_DEPS_PREFIX}" NO_DEFAULT_PATH)

find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(CAPNG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)

find_package(Threads REQUIRED)
add_library(qe_microhttpd INTERFACE)
target_include_directories(qe_microhttpd SYSTEM INTERFACE "${http_prefix}/include")
target_link_libraries(qe_microhttpd INTERFACE "${http_prefix}/lib/libmicrohttpd.a" Threads::Threads)

# libmnl has no static library in Debian; iproute2 brings the shared one.
foreach(library SODIUM JANSSON CAPNG SECCOMP)
    list(GET ${library}_LIBRARIES 0 name)
    find_library(QE_STATIC_${library} lib${name}.a HINTS ${${library}_LIBRARY_DIRS} ${${library}_LIBDIR})
    mark_as_advanced(QE_STATIC_${library})
    if(QE_STATIC_${library})
        set_property(TARGET PkgConfig::${library} PROPERTY INTERFACE_LINK_LIBRARIES "${QE_STATIC_${library}}")
    endif()
endforeach()
