def over_pieces(master): return False
