/* Start of a program on an emulated Cortex-M: everything lies in RAM, loaded by the emulator; output and exit go
 * through semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t stack_top[], bss_start[], bss_end[];
int main(void);
#ifdef SEMIHOSTING
void initialise_monitor_handles(void);
#else
/* Without a C library's start: nothing to open, nowhere to go. */
void _exit(int status);
void _exit(int status) {
    (void)status;
    for (;;) {}
}
#endif

static void reset(void) {
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* the floating-point unit is on */
    __asm volatile("dsb\n isb");
    for (uint32_t *p = bss_start; p < bss_end; p++) *p = 0;
#ifdef SEMIHOSTING
    initialise_monitor_handles();
#endif
    exit(main());
}

static void fault(void) {
#ifdef SEMIHOSTING
    _Exit(99);
#else
    for (;;) {}
#endif
}

typedef union vector {
    void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top}, {reset}, {fault}, {fault}, {fault}, {fault}, {fault}, {fault},
    {fault},              {fault}, {fault}, {fault}, {fault}, {fault}, {fault}, {fault}};
