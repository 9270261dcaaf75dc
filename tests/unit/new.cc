// Replaces the C++ allocator of a test program by one whose nth allocation throws.
#include <cstdlib>
#include <new>

extern "C" {
unsigned long unit_new_fail_in;     // 1: the next allocation throws; 0: none does
unsigned long unit_new_outstanding; // allocations not freed
}

void *operator new(std::size_t size)
{
    if (unit_new_fail_in != 0 && --unit_new_fail_in == 0) throw std::bad_alloc();
    void *ptr = std::malloc(size ? size : 1);
    if (!ptr) throw std::bad_alloc();
    unit_new_outstanding++;
    return ptr;
}

// As the standard has it; a sanitizer's own would not go together with the delete below.
void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
    try {
        return operator new(size);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

void operator delete(void *ptr) noexcept
{
    if (ptr) unit_new_outstanding--;
    std::free(ptr);
}

void operator delete(void *ptr, std::size_t) noexcept
{
    operator delete(ptr);
}

void operator delete(void *ptr, const std::nothrow_t &) noexcept
{
    operator delete(ptr);
}
