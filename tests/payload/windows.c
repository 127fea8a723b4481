// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Registers that the guest reads without an exit, in more than one way: after
 * each write all ways must agree.  Wants a virtio device (--rng) in slot 1.
 */
#include "pci.h"

#define VIRTIO DEVFN(1, 0)
#define LPC DEVFN(31, 0)
#define COMMAND 0x04
#define COMMAND_MEMORY 2
#define CAPABILITIES 0x34
#define INTERRUPT_LINE 0x3c
#define BAR4 0x20

/* virtio 1.2, 4.1.4: the structures that the device has chosen to have in BAR 4 */
#define CAP_VENDOR 9
#define CAP_PCI_CFG 5
#define NUM_QUEUES 0x12
#define STATUS 0x14

#define HERE 0xd0000000
#define THERE 0xd0100000

#define UART_IER (UART + 1)
#define UART_LCR (UART + 3)
#define KBD_DATA 0x60
#define KBD_COMMAND 0x64

static uint32_t fails;

static void check(const char *what, uint32_t got, uint32_t want)
{
	if (got == want)
		return;
	fails++;
	print("FAIL ");
	print(what);
	print(": ");
	print_hex(got, 8);
	print(", wanted ");
	print_hex(want, 8);
	print("\n");
}

static uint32_t ecam_read(uint32_t devfn, uint32_t off)
{
	return *(volatile uint32_t *)(ECAM + (devfn << 12) + off);
}

static void ecam_write8(uint32_t devfn, uint32_t off, uint8_t v)
{
	*(ECAM + (devfn << 12) + off) = v;
}

static volatile uint8_t *mem8(uint32_t addr)
{
	return (volatile uint8_t *)(uintptr_t)addr;
}

static void all_the_same(void)
{
	uint32_t slot, off;

	for (slot = 0; slot < 32; slot += slot == 2 ? 28 : 1)
		for (off = 0; off < 256; off += 4)
			check("configuration", ecam_read(DEVFN(slot, 0), off),
			      pci_read(DEVFN(slot, 0), off));
	check("no function", pci_read(DEVFN(31, 1), 0), 0xffffffff);
	check("no bus", pci_read(0x100, 0), 0xffffffff);
	outl(PCI_ADDRESS, LPC << 8);
	check("not enabled", inl(PCI_DATA), 0xffffffff);
	check("address", inl(PCI_ADDRESS), LPC << 8);
	pci_select(LPC, 0);
	check("word", inw(PCI_DATA + 2), 0x2918);
	check("byte", inb(PCI_DATA + 1), 0x80);
}

static void written(void)
{
	uint32_t old = pci_read(LPC, INTERRUPT_LINE);

	outb(PCI_DATA, 0x5a);
	check("by port, port", pci_read(LPC, INTERRUPT_LINE) & 0xff, 0x5a);
	check("by port, ECAM", ecam_read(LPC, INTERRUPT_LINE) & 0xff, 0x5a);
	ecam_write8(LPC, INTERRUPT_LINE, 0xa5);
	check("by ECAM, port", pci_read(LPC, INTERRUPT_LINE) & 0xff, 0xa5);
	check("by ECAM, ECAM", ecam_read(LPC, INTERRUPT_LINE) & 0xff, 0xa5);
	pci_write(LPC, INTERRUPT_LINE, old);
}

static void place(uint32_t base)
{
	pci_write(VIRTIO, BAR4, base);
	pci_write(VIRTIO, BAR4 + 4, 0);
}

static void bar_moves(void)
{
	uint32_t command = pci_read(VIRTIO, COMMAND) & 0xffff;

	place(HERE);
	check("queues here", *mem8(HERE + NUM_QUEUES), 1);
	*mem8(HERE + STATUS) = 1;
	check("status here", *mem8(HERE + STATUS), 1);
	place(THERE);
	check("nothing here", *mem8(HERE + STATUS), 0xff);
	check("status there", *mem8(THERE + STATUS), 1);
	pci_write(VIRTIO, COMMAND, command & ~COMMAND_MEMORY);
	check("not decoded", *mem8(THERE + STATUS), 0xff);
	pci_write(VIRTIO, COMMAND, command);
	*mem8(THERE + STATUS) = 3;
	check("status again", *mem8(THERE + STATUS), 3);
}

/* virtio 1.2, 4.1.4.9; the BAR is THERE, the status 3. */
static void window(void)
{
	uint32_t cap = pci_read(VIRTIO, CAPABILITIES) & 0xff, head;

	while (cap) {
		head = pci_read(VIRTIO, cap);
		if ((head & 0xff) == CAP_VENDOR && head >> 24 == CAP_PCI_CFG)
			break;
		cap = head >> 8 & 0xff;
	}
	check("window", !cap, 0);
	if (!cap)
		return;
	pci_write(VIRTIO, cap + 4, 4);
	pci_write(VIRTIO, cap + 8, STATUS);
	pci_write(VIRTIO, cap + 12, 1);
	check("window, port", pci_read(VIRTIO, cap + 16) & 0xff, 3);
	*mem8(THERE + STATUS) = 0;
	check("window, ECAM", ecam_read(VIRTIO, cap + 16) & 0xff, 0);
	*mem8(THERE + STATUS) = 1;
	check("window again", pci_read(VIRTIO, cap + 16) & 0xff, 1);
	pci_write(VIRTIO, cap + 16, 3);
	check("through the window", *mem8(THERE + STATUS), 3);
	pci_write(VIRTIO, cap + 12, 0);
	all_the_same();
}

static void uart(void)
{
	outb(UART_IER, 0xf5);
	check("IER", inb(UART_IER), 5);
	outb(UART_LCR, 0x83);
	outb(UART_IER, 0x12);
	outb(UART, 0x34);
	check("DLM", inb(UART_IER), 0x12);
	check("DLL", inb(UART), 0x34);
	outb(UART_LCR, 3);
	check("IER after DLM", inb(UART_IER), 5);
	outb(UART_IER, 0);
	outb(UART_SCR, 0x77);
	check("SCR", inb(UART_SCR), 0x77);
}

static void pm_timer(void)
{
	uint32_t n, last = inl(PM_TMR), now, first = last;

	for (n = 0; n < 2000; n++) {
		now = inl(PM_TMR);
		if (((now - last) & 0xffffff) >= 0x800000)
			check("PM timer goes back", now, last);
		last = now;
	}
	check("24 bits", last >> 24, 0);
	check("PM timer stands", last == first, 0);
}

static void chips(void)
{
	outb(CMOS_INDEX, 0x0d);
	check("CMOS D", inb(CMOS_DATA), 0x80);
	outb(CMOS_INDEX, 0x45);
	outb(CMOS_DATA, 0x99);
	check("CMOS memory", inb(CMOS_DATA), 0x99);
	outb(CMOS_INDEX, 0x8e);
	check("CMOS, NMI off", inb(CMOS_DATA), 0);
	outb(KBD_COMMAND, 0xaa);
	check("8042 has an answer", inb(KBD_COMMAND) & 1, 1);
	check("8042 answer", inb(KBD_DATA), 0x55);
	check("8042 has no more", inb(KBD_COMMAND) & 1, 0);
}

void main(const struct start_info *info)
{
	(void)info;
	all_the_same();
	written();
	bar_moves();
	window();
	uart();
	pm_timer();
	chips();
	print(fails ? "FAIL\n" : "PASS\n");
}
