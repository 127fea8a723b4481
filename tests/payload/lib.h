/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What payloads need: port I/O, the UART, numbers, the command line, a way
 * out.  A payload is one C file with a main() that includes this header.  It
 * runs at CPL 0 without paging or interrupts, and only uses instructions that
 * every KVM, also one that emulates, can run.
 */
#ifndef PAYLOAD_LIB_H
#define PAYLOAD_LIB_H

#include <stdint.h>

#define UNUSED __attribute__((unused))

#define UART 0x3f8
#define UART_FCR (UART + 2)
#define UART_MCR (UART + 4)
#define UART_LSR (UART + 5)
#define UART_SCR (UART + 7)
#define LSR_DR 0x01
#define LSR_THRE 0x20

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define PM1_CNT 0x604
#define PM1_SLP_EN 0x2000 /* sleep type 0 is S5 */
#define PM_TMR 0x608
#define RESET_PORT 0xcf9
#define DEBUG_EXIT 0x501 /* QEMU's isa-debug-exit */

#define ECAM ((volatile uint8_t *)0xb0000000)

/* The start of struct hvm_start_info. */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
};

void main(const struct start_info *info);
void power_off(void);

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* The low half; the high one is written as 0. */
static inline uint32_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo;
}

static inline void wrmsr(uint32_t msr, uint32_t v)
{
	__asm__ volatile("wrmsr" : : "a"(v), "d"(0), "c"(msr));
}

/* There is no libgcc to divide 64 bits; the quotient is taken to fit. */
static inline uint32_t div64(uint64_t n, uint32_t d)
{
	uint32_t hi = (uint32_t)(n >> 32), q, r;

	if (hi >= d)
		return UINT32_MAX;
	__asm__("divl %4"
		: "=a"(q), "=d"(r)
		: "a"((uint32_t)n), "d"(hi), "r"(d));
	return q;
}

static UNUSED void put(char c)
{
	while (!(inb(UART_LSR) & LSR_THRE))
		;
	outb(UART, (uint8_t)c);
}

static UNUSED void print(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put('\r');
		put(*s);
	}
}

static UNUSED void print_dec(uint32_t v)
{
	char buf[11];
	char *p = buf + sizeof(buf) - 1;

	*p = 0;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	print(p);
}

static UNUSED void print_hex(uint32_t v, unsigned int digits)
{
	while (digits--)
		put("0123456789abcdef"[v >> digits * 4 & 15]);
}

/* The number behind "@key=" on the command line, or @def. */
static UNUSED uint32_t option(const struct start_info *info, const char *key,
			      uint32_t def)
{
	const char *p = (const char *)(uintptr_t)info->cmdline;
	const char *k;
	uint32_t v = 0;

	while (p && *p) {
		for (k = key; *k && *p == *k; k++)
			p++;
		if (!*k && *p == '=') {
			while (*++p >= '0' && *p <= '9')
				v = v * 10 + (uint32_t)(*p - '0');
			return v;
		}
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
	}
	return def;
}

static UNUSED void triple_fault(void)
{
	const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) idt = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(idt));
}

/* Whatever ends this machine, best first; each gets time to take effect. */
void power_off(void)
{
	uint64_t end;

	outw(PM1_CNT, PM1_SLP_EN);
	for (end = rdtsc() + 100000000; rdtsc() < end;)
		__asm__ volatile("pause");
	outb(DEBUG_EXIT, 0);
	outb(RESET_PORT, 6);
	triple_fault();
	for (;;)
		__asm__ volatile("hlt");
}

#endif
