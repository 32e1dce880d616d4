//! The program's allocator: a bump pointer over as much heap as the transaction asked for.
//!
//! The runtime maps 32 kB of heap unless the transaction requests more (up to 256 kB), and the default allocator never
//! uses more than 32 kB whatever was requested. The arrays of a full account need more, so this one has no limit of its
//! own below 256 kB. Memory past the frame that was requested is not mapped: touching it fails the instruction as
//! running out of compute units would. The last block can be given back or grown in place, which is all that a stack of
//! vectors needs.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};

/// Where the runtime maps the heap.
const START: usize = 0x3_0000_0000;
/// Largest heap a transaction can request.
const MOST: usize = 256 * 1024;
/// The first word of the heap holds the end of the last block, 0 before the first one: a program has no writable statics.
const FIRST_BLOCK: usize = START + size_of::<usize>();

/// See the module.
struct Bump;

#[global_allocator]
static ALLOCATOR: Bump = Bump;

#[allow(
    unsafe_code,
    reason = "an allocator hands out raw memory; the heap is ours alone and there are no threads"
)]
impl Bump {
    /// End of the last block.
    fn end(&self) -> usize {
        // SAFETY: the first word of the heap is always mapped, aligned and used for nothing else.
        let end = unsafe { ptr::read(START as *const usize) };
        end.max(FIRST_BLOCK)
    }

    fn set_end(&self, end: usize) {
        // SAFETY: as in `end`.
        unsafe { ptr::write(START as *mut usize, end) }
    }

    /// Makes the last block end at `start + size` if that fits.
    fn place(&self, start: usize, size: usize) -> *mut u8 {
        match start
            .checked_add(size)
            .filter(|end| end.wrapping_sub(START) <= MOST)
        {
            Some(end) => {
                self.set_end(end);
                start as *mut u8
            }
            None => ptr::null_mut(),
        }
    }
}

#[allow(
    unsafe_code,
    reason = "an allocator hands out raw memory; the heap is ours alone and there are no threads"
)]
// SAFETY: blocks are aligned, disjoint and within the heap.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // An alignment is a power of two and the end of a block below 2^34.
        let mask = layout.align().wrapping_sub(1);
        self.place(self.end().wrapping_add(mask) & !mask, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if (block as usize).wrapping_add(layout.size()) == self.end() {
            self.set_end(block as usize);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if (block as usize).wrapping_add(layout.size()) == self.end() {
            return self.place(block as usize, size);
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's guarantees about the new size are those of a layout of the same alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: the blocks are disjoint and the old one is the shorter.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}
