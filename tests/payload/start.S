/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVH entry: 32-bit protected mode, flat segments, no paging, interrupts off,
 * EBX = struct hvm_start_info.
 */
	.section .note.Xen, "a", @note
	.balign	4
	.long	4			/* name size */
	.long	4			/* descriptor size */
	.long	18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start

	.section .text.start, "ax", @progbits
	.code32
	.globl	_start
_start:
	cli
	cld
	movl	$stack_end, %esp
	xorl	%ebp, %ebp
	pushl	$0
	pushl	$0
	pushl	$0
	pushl	%ebx
	call	main
	call	power_off

	.bss
	.balign	16
	.skip	4096
stack_end:

	.section .note.GNU-stack, "", @progbits
