/* Start of a program on QEMU's board "virt" with a Cortex-A53: memory as normal memory, one processor, output on
 * the serial port, the end by PSCI. Nothing of a C library but its mathematics. */
#include "board.h"

#include <stddef.h>
#include <stdint.h>

extern char stack_top[];
int main(void);
void begin(void);

#define UART (*(volatile uint32_t *)0x09000000u)

__asm__(".section .text.start, \"ax\"\n"
        ".global start\n"
        "start:\n"
        "    mov x0, #(3 << 20)\n" /* the floating-point unit is on */
        "    msr cpacr_el1, x0\n"
        "    adr x0, faults\n"
        "    msr vbar_el1, x0\n"
        "    isb\n"
        "    ldr x0, =stack_top\n"
        "    mov sp, x0\n"
        "    b begin\n"
        ".balign 2048\n"
        "faults:\n"
        "    .rept 16\n"
        "    b fault\n"
        "    .balign 128\n"
        "    .endr\n"
        ".text\n");

void put(const char *text) {
    for (; *text; text++) UART = (unsigned char)*text;
}

void put_number(uint64_t x) {
    char digits[24], *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + x % 10);
        x /= 10;
    } while (x);
    put(at);
}

static __attribute__((noreturn)) void power_off(void) {
    register uint64_t call __asm__("x0") = 0x84000008u; /* SYSTEM_OFF */
    __asm__ volatile("hvc #0" : "+r"(call));
    for (;;) {}
}

__attribute__((noreturn, used)) static void fault(void) {
    uint64_t why, where;
    __asm__ volatile("mrs %0, esr_el1\n mrs %1, elr_el1" : "=r"(why), "=r"(where));
    put("fault ");
    put_number(why);
    put(" at ");
    put_number(where);
    put("\n");
    power_off();
}

/* Addresses as they are: the first gigabyte holds devices, the next ones memory. */
static void map_memory(void) {
    static uint64_t table[512] __attribute__((aligned(4096)));
    table[0] = 0x401u | 0u << 2;
    for (uint64_t i = 1; i < 4; i++) table[i] = i << 30 | 0x701u | 1u << 2;
    __asm__ volatile("msr mair_el1, %0\n msr tcr_el1, %1\n msr ttbr0_el1, %2\n isb\n tlbi vmalle1\n dsb sy\n isb"
                     :: "r"(0xff00ull), "r"(25ull | 0x3500ull | 1ull << 23 | 2ull << 32), "r"(table));
    uint64_t control;
    __asm__ volatile("mrs %0, sctlr_el1" : "=r"(control));
    __asm__ volatile("msr sctlr_el1, %0\n isb" :: "r"(control | 1u | 1u << 2 | 1u << 12));
}

__attribute__((noreturn)) void begin(void) {
    static uint64_t threads[64]; /* errno is a variable of each thread */
    __asm__ volatile("msr tpidr_el0, %0" :: "r"(threads));
    map_memory();
    put(main() ? "failed\n" : "");
    power_off();
}

/* What compilers call by themselves; sixteen bytes at a time, as a C library's do. */
typedef struct __attribute__((packed)) sixteen {
    uint64_t a, b;
} sixteen;

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    char *t = to;
    const char *f = from;
    for (; n >= sizeof(sixteen); n -= sizeof(sixteen), t += sizeof(sixteen), f += sizeof(sixteen))
        *(sixteen *)(void *)t = *(const sixteen *)(const void *)f;
    while (n--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n) {
    char *t = to;
    const char *f = from;
    if (t <= f || t >= f + n) {
        for (; n >= sizeof(sixteen); n -= sizeof(sixteen), t += sizeof(sixteen), f += sizeof(sixteen))
            *(sixteen *)(void *)t = *(const sixteen *)(const void *)f;
        while (n--) *t++ = *f++;
    } else {
        while (n--) t[n] = f[n];
    }
    return to;
}

void *memset(void *to, int byte, size_t n) {
    char *t = to;
    const uint64_t eight = 0x0101010101010101u * (unsigned char)byte;
    for (; n >= sizeof(sixteen); n -= sizeof(sixteen), t += sizeof(sixteen))
        *(sixteen *)(void *)t = (sixteen){eight, eight};
    while (n--) *t++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}
