/* Output of a program on an emulated board. */
#ifndef ECGFAST_BOARD_H
#define ECGFAST_BOARD_H

#include <stdint.h>

void put(const char *text);
void put_number(uint64_t x);

#endif /* ECGFAST_BOARD_H */
